import os

from capsule import task


@task(name="main", env_variables=["GREETING"])
def main():
    return {"granted": os.environ.get("GREETING"), "other": os.environ.get("SECRET")}
