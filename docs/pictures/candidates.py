"""Five answers of a model, each tried in a sandbox of its own: what the README's picture shows."""

from capsule import task

CANDIDATES = [
    "result = sorted(rows)[len(rows) // 2]",
    "import statistics; result = statistics.median(rows)",
    "import urllib.request as web; web.urlopen('http://169.254.169.254/latest/')",
    "rows = [rows * 10**6 for _ in range(100)]",
    "while True: pass",
]


@task(name="candidate", compute="LOW", ram="64MB", timeout="5s", allowed_hosts=[])
def candidate(code: str, rows: list) -> object:
    names: dict[str, object] = {"rows": rows}
    exec(code, names)
    return names["result"]


@task(name="main", compute="LOW", ram="64MB", timeout="30s", allowed_hosts=[])
def main() -> list:
    outcomes = candidate.map(CANDIDATES, [[3, 1, 2]] * len(CANDIDATES))
    return [outcome.result for outcome in outcomes if outcome.success]
