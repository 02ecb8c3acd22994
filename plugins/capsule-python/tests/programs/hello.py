from capsule import task


@task(name="main", compute="LOW", timeout="5s")
def main():
    return "hello"
