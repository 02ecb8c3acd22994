"""What runs code that a model wrote: see program.py beside this file."""

from capsule import task


@task(
    name="main",
    compute="LOW",
    ram="128MB",
    timeout="5s",
    allowed_files=[],
    allowed_hosts=[],
    env_variables=[],
)
def main(code: str, rows: list) -> object:
    names: dict[str, object] = {"rows": rows}
    exec(code, names)
    return names["result"]
