from capsule import task


@task(name="main")
def main(*args, **kwargs):
    return {"args": args, "kwargs": kwargs}
