"""Tasks whose results are known: each does one thing that people do."""

import json
import time
from pathlib import Path

from capsule import task
from capsule.http import post


@task(name="hello", compute="LOW", ram="64MB", timeout="60s")
def hello(name: str) -> str:
    """Greets."""
    return f"Hello, {name}!"


@task(name="round_trip", timeout="60s")
def round_trip(value: dict) -> dict:
    """Takes a value apart and puts it together."""
    return json.loads(json.dumps(value))


@task(name="square", compute="LOW", timeout="60s")
def square(number: int) -> int:
    """A part of ``squares``."""
    return number * number


@task(name="squares", timeout="60s")
def squares(numbers: list) -> list:
    """Sub-tasks side by side."""
    return [outcome.unwrap() for outcome in square.map(numbers)]


@task(name="files", timeout="60s", allowed_files=["data"])
def files(name: str, text: str) -> str:
    """Writes a file, reads it, removes it."""
    path = Path("data", name)
    path.write_text(text)
    try:
        return path.read_text()
    finally:
        path.unlink()


@task(name="ask", timeout="60s", allowed_hosts=["127.0.0.1"])
def ask(url: str, text: str) -> str:
    """Sends a text to a server, which sends it back."""
    return post(url, json={"text": text}).json()["text"]


@task(name="nap", timeout="60s")
def nap(seconds: float) -> float:
    """Sleeps."""
    time.sleep(seconds)
    return seconds


@task(name="endless", compute="HIGH", timeout="60s")
def endless(spin: bool) -> None:
    """What is cancelled."""
    while spin:
        pass
    time.sleep(50)


@task(name="main")
def main() -> None:
    """Nothing."""
