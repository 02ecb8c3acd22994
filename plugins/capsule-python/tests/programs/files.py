from pathlib import Path

from capsule import task


@task(name="main", allowed_files=[{"path": "./data", "mode": "read-only"}, "./out"])
def main():
    Path("out/out.txt").write_text(Path("data/in.txt").read_text().upper())
    return {"secret": read("secret.txt"), "written": write("data/new.txt")}


def read(name):
    try:
        return Path(name).read_text()
    except OSError:
        return None


def write(name):
    try:
        Path(name).write_text("new")
    except OSError:
        return False
    return True
