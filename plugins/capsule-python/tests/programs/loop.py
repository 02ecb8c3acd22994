from capsule import task


@task(name="main", compute="HIGH", timeout="1s")
def main():
    count()


@task(name="fuel", compute=1_000_000)
def fuel():
    count()


def count():
    number = 0
    while True:
        number += 1
