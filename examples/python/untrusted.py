"""Runs code that nobody has read, such as an agent's, with next to nothing allowed.

$ capsule run untrusted.py "result = sum(n * n for n in range(10))"
$ capsule run untrusted.py "while True: pass"
"""

from capsule import task


@task(
    name="evaluate",
    compute="50000000",
    ram="64MB",
    timeout="2s",
    allowed_files=[],
    allowed_hosts=[],
    env_variables=[],
)
def evaluate(code: str) -> object:
    """Executes the code; what it calls ``result`` comes back."""
    names: dict[str, object] = {}
    exec(code, names)
    return names.get("result")


@task(name="main", compute="LOW", allowed_hosts=[])
def main(code: str) -> dict:
    """Whatever the code does ends its own sandbox only: here it is an outcome to look at."""
    outcome = evaluate(code)
    if outcome.success:
        return {"result": outcome.result}
    return {"error_type": outcome.error["error_type"], "message": outcome.error["message"]}
