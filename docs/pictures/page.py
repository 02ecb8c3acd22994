"""Draws the picture of a run's page: a real run, its page, and Chromium.

Run it from the repository's root after a change of the page; it needs ``chromium``::

    uv run python docs/pictures/page.py
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = Path(sysconfig.get_path("scripts")) / "capsule"
PROGRAM = '''
import urllib.request
from capsule import task

@task(compute="LOW", timeout="10s")
def score(url: str) -> int:
    return sum(ord(letter) * weight for weight in range(2000) for letter in url) % 100

@task(allowed_hosts=["docs.example.com"], timeout="10s", max_retries=1)
def fetch(url: str) -> str:
    return urllib.request.urlopen(url).read().decode()

@task(compute="MEDIUM", timeout="1m")
def rank(urls: list[str]) -> dict[str, int]:
    return dict(zip(urls, [each.unwrap() for each in score.map(urls)]))

@task(compute="MEDIUM", timeout="1m")
def main() -> dict[str, int]:
    urls = [f"https://docs.example.com/{name}" for name in "start tasks hosts files secrets tools".split()]
    ranked = rank(urls).unwrap()
    answer = fetch("http://169.254.169.254/latest/meta-data/")
    print("the page said:", answer.success)
    return ranked
'''  # fmt: skip


def main() -> None:
    """Runs the program twice, so that nothing is built in the run that is shown, and draws it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "capsule.toml").touch()
        (folder / "rank.py").write_text(PROGRAM)
        for _ in range(2):
            subprocess.run([COMMAND, "run", "rank.py"], cwd=folder, check=True, capture_output=True)
        listed = subprocess.run(
            [COMMAND, "trace", "--json"], cwd=folder, check=True, capture_output=True
        ).stdout
        newest = json.loads(listed)["runs"][0]["id"]
        subprocess.run([COMMAND, "trace", newest, "--html", "run.html"], cwd=folder, check=True)
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
                f"--user-data-dir={folder / 'profile'}",
                "--window-size=1280,640",
                f"--screenshot={HERE / 'trace.png'}",
                (folder / "run.html").as_uri(),
            ],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    main()
