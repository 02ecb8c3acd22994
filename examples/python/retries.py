"""A task that fails is tried again, each time in a fresh sandbox.

$ capsule run retries.py
"""

from pathlib import Path

from capsule import task

ATTEMPTS = Path("output/attempts.txt")


@task(name="unsteady", compute="LOW", max_retries=3, allowed_files=["./output"], allowed_hosts=[])
def unsteady(failures: int) -> str:
    """Fails that many times. Only a file outlives an attempt: memory does not."""
    attempt = int(ATTEMPTS.read_text()) + 1 if ATTEMPTS.exists() else 1
    ATTEMPTS.write_text(str(attempt))
    if attempt <= failures:
        raise ConnectionError(f"attempt {attempt} failed")
    return f"attempt {attempt} went well"


@task(name="main", compute="LOW", allowed_files=["./output"], allowed_hosts=[])
def main(failures: int = 2) -> dict:
    ATTEMPTS.unlink(missing_ok=True)
    outcome = unsteady(failures)
    return {
        "success": outcome.success,
        "result": outcome.result,
        "retries": outcome.execution["retries"],
        "error": outcome.error and outcome.error["message"],
    }
