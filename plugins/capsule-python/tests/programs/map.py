from capsule import task


@task(name="square")
def square(number):
    return number * number


@task(name="main")
def main():
    return square.map(range(8))
