from capsule import task


@task(name="main", compute="LOW", ram="64MB")
def main(name: str = "Capsule") -> str:
    return f"Hello from {name}!"
