from capsule import task


@task(name="main", ram="64MB", timeout="30s")
def main():
    taken = []
    while True:
        taken.append(bytearray(1 << 20))
