"""Each task sees the folders that it declares, and nothing else.

$ capsule run files.py && cat output/countries.txt
"""

from pathlib import Path

from capsule import task


@task(name="write_countries", compute="LOW", allowed_files=["./output"], allowed_hosts=[])
def write_countries(codes: list[str]) -> int:
    """May write to ./output, and can't read ./data."""
    target = Path("output/countries.txt")
    target.write_text("\n".join(codes) + "\n")
    return target.stat().st_size


@task(name="main", compute="LOW", allowed_files=[{"path": "./data", "mode": "read-only"}], allowed_hosts=[])
def main() -> dict:
    """May read ./data, and can't write anywhere."""
    lines = Path("data/zone1970.tab").read_text(encoding="utf-8").splitlines()
    codes = {code for line in lines if line[:1] != "#" for code in line.split("\t")[0].split(",")}

    refused = {}
    for path in ("data/mine.txt", "output/mine.txt", "/etc/passwd"):
        try:
            Path(path).write_text("mine")
        except OSError as error:
            refused[path] = type(error).__name__

    return {
        "countries": len(codes),
        "bytes_written": write_countries(sorted(codes)).unwrap(),
        "refused": refused,
    }
