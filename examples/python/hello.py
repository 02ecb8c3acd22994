from capsule import task


# What it doesn't say, a task has: without these options, the public internet, 4 GiB and no deadline.
@task(name="main", compute="LOW", ram="64MB", timeout="5s", allowed_hosts=[])
def main(name: str = "Capsule") -> str:
    return f"Hello from {name}!"
