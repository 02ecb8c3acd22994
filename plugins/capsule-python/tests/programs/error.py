from capsule import task


@task(name="main", max_retries=1)
def main():
    raise ValueError("no soup for 42")  # HERE
