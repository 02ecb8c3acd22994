from capsule import task


@task(name="add")
def add(a, b):
    return a + b


@task(name="fails")
def fails():
    raise RuntimeError("as it should")


@task(name="main")
def main():
    return {"sum": add(19, 23), "failed": fails()}
