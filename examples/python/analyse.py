"""Which part of the world has how many time zones: one sub-task for each area, side by side.

$ capsule run analyse.py
"""

import re
from collections import defaultdict
from pathlib import Path
from statistics import mean

from capsule import task

COORDINATES = re.compile(r"([+-]\d{2})(\d{2})(?:\d{2})?([+-]\d{3})(\d{2})(?:\d{2})?")


@task(name="summarise", compute="LOW", ram="64MB", timeout="5s", allowed_hosts=[], max_retries=1)
def summarise(area: str, rows: list[str]) -> dict:
    """One area's zones. It gets its rows as arguments, and no file and no host."""
    latitudes = {}
    countries = set()
    for row in rows:
        codes, place, zone, *_ = row.split("\t")
        match = COORDINATES.fullmatch(place)
        if match is None:
            raise ValueError(f"{zone} lies nowhere: {place!r}")
        degrees, minutes = int(match[1]), int(match[2])
        latitudes[zone] = round(degrees + (-1 if match[1][0] == "-" else 1) * minutes / 60, 2)
        countries.update(codes.split(","))
    return {
        "area": area,
        "zones": len(rows),
        "countries": len(countries),
        "northernmost": max(latitudes, key=latitudes.__getitem__),
        "mean_latitude": round(mean(latitudes.values()), 1),
    }


@task(name="main", compute="LOW", allowed_files=[{"path": "./data", "mode": "read-only"}], allowed_hosts=[])
def main(path: str = "data/zone1970.tab") -> list[dict]:
    """Reads the table, and gives each area's rows to a task of its own."""
    rows_by_area: dict[str, list[str]] = defaultdict(list)
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                row = line.rstrip("\n")
                rows_by_area[row.split("\t")[2].partition("/")[0]].append(row)

    outcomes = summarise.map(rows_by_area.keys(), rows_by_area.values())
    summaries = [outcome.unwrap() for outcome in outcomes]
    return sorted(summaries, key=lambda summary: summary["zones"], reverse=True)
