"""The build pipeline and the build cache: what rebuilds, what does not, and what survives a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

MAIN = """
    import helper
    from capsule import task

    @task(name="main")
    def main():
        return helper.VALUE
"""


@pytest.fixture
def built(project, cli):
    """Builds main.py and says whether it came from the cache."""

    def build(*options):
        done = cli("build", "main.py", "--json", *options)
        assert done.status == 0, done
        return json.loads(done.stdout)

    project.write("main.py", MAIN)
    project.write("helper.py", "VALUE = 1\n")
    return build


def test_building_ahead_of_time_spares_the_first_run_the_build(built, cli, project):
    assert built()["cached"] is False
    assert built()["cached"] is True
    artifacts = project.artifacts()
    assert cli("run", "main.py").stdout == "1\n"
    assert project.artifacts() == artifacts


def test_the_build_cache_is_a_folder_in_the_project_as_the_guide_shows_it(built, cli, project):
    cli("run", "main.py")
    [artifact] = project.artifacts()
    assert artifact.name.startswith("main_")
    assert (project / ".capsule/wit/capsule.wit").is_file()
    assert (project / ".capsule/trace.db").is_file()
    # On purpose not there: native code lies in the user's own cache, closed to others.
    assert not list((project / ".capsule").rglob("*.cwasm"))


def test_the_cache_ignores_itself_in_git(built, project):
    built()
    subprocess.run(["git", "init", "-q", project.root], check=True)
    done = subprocess.run(
        ["git", "-C", project.root, "status", "--porcelain", "-uall"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert ".capsule" not in done.stdout
    assert "main.py" in done.stdout


def test_the_cache_is_regenerated_when_it_is_gone(built, cli, project):
    built()
    shutil.rmtree(project / ".capsule")
    assert cli("run", "main.py").stdout == "1\n"
    assert len(project.artifacts()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("main.py", MAIN.replace("helper.VALUE", "helper.VALUE + 1")),
        ("helper.py", "VALUE = 2\n"),
        ("capsule.toml", '[tasks]\ndefault_ram = "128MB"\n'),
    ],
)
def test_editing_an_input_rebuilds(built, project, name, text):
    built()
    project.write(name, text)
    assert built()["cached"] is False


def test_an_edited_module_takes_effect_at_once(built, cli, project):
    assert cli("run", "main.py").stdout == "1\n"
    project.write("helper.py", "VALUE = 2\n")
    assert cli("run", "main.py").stdout == "2\n"


def test_touching_an_unrelated_file_does_not_rebuild(built, project):
    built()
    project.write("notes.txt", "text")
    project.write("other.py", "VALUE = 3\n")
    project.write("data/in.csv", "1,2\n")
    assert built()["cached"] is True


def test_writing_the_same_text_again_does_not_rebuild(built, project):
    built()
    project.write("helper.py", "VALUE = 1\n")
    os.utime(project / "main.py")
    assert built()["cached"] is True


def test_the_same_inputs_give_the_same_bytes(built, project):
    built()
    [first] = project.artifacts()
    before = (first.name, first.read_bytes())
    shutil.rmtree(project / ".capsule")
    built()
    [second] = project.artifacts()
    assert (second.name, second.read_bytes()) == before


def test_a_syntax_error_shows_the_users_file_and_line_and_leaves_no_artifact(project, cli, said):
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="main")
        def main():
            return (1
    """,
    )
    done = cli("run", "main.py")
    said(done, "main.py:5", "never closed", status=3)
    assert project.artifacts() == []


def test_a_syntax_error_in_an_own_module_shows_that_modules_line(built, cli, said, project):
    project.write("helper.py", "VALUE = 1\ndef broken(:\n    pass\n")
    done = cli("run", "main.py")
    said(done, "helper.py:2", status=3)
    assert project.artifacts() == []


def test_two_cold_processes_build_once(built, cli, project):
    children = [cli.start("run", "main.py", "--json") for _ in range(2)]
    for child in children:
        stdout, stderr = child.communicate(timeout=120)
        assert child.returncode == 0, stderr
        assert json.loads(stdout)["result"] == 1
    assert len(project.artifacts()) == 1
    assert built()["cached"] is True


@pytest.mark.parametrize("delay", [0.15, 0.25, 0.35, 0.45])
def test_after_a_kill_during_a_build_the_next_run_works(built, cli, project, delay):
    child = cli.start("run", "main.py")
    time.sleep(delay)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    done = cli("run", "main.py", timeout=60)
    assert (done.status, done.stdout) == (0, "1\n"), done
    assert len(project.artifacts()) == 1
    assert built()["cached"] is True


def test_a_damaged_artifact_is_noticed_and_rebuilt(built, cli, project):
    built()
    [artifact] = project.artifacts()
    whole = artifact.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:-9] + bytes(9), b"\0asm"):
        artifact.chmod(0o644)
        artifact.write_bytes(damaged)
        done = cli("run", "main.py")
        assert (done.status, done.stdout) == (0, "1\n"), done
    assert artifact.read_bytes() == whole


def test_an_artifact_that_came_with_a_repository_does_not_count(built, cli, project, tmp_path):
    """Another user's artifact names the same inputs, and holds a policy that nobody here has declared."""
    theirs = tmp_path / "theirs"
    built()
    [artifact] = project.artifacts()
    seals = list((project / ".capsule/wasm").glob("*.seal"))
    assert seals
    shutil.copytree(project / ".capsule", theirs)
    evil = artifact.read_bytes().replace(b'"compute":50000000000', b'"compute":50000000001')
    assert evil != artifact.read_bytes()
    artifact.chmod(0o644)
    artifact.write_bytes(evil)
    [task] = json.loads(cli("tasks", "main.py", "--json").stdout)
    assert task["effective"]["compute"] == 50_000_000_000


def test_an_unchanged_run_does_not_need_the_frontend_to_compile(built, cli, project):
    """A hit ends before discovery: nothing is written, nothing is rebuilt."""
    built()
    [artifact] = project.artifacts()
    before = artifact.stat().st_mtime_ns, artifact.stat().st_ino
    cli("run", "main.py")
    assert (artifact.stat().st_mtime_ns, artifact.stat().st_ino) == before


def test_export_writes_the_wasm_beside_its_source(built, project, cli):
    report = built("--export")
    assert report["artifact"] == "main.wasm"
    assert (project / "main.wasm").stat().st_size == report["bytes"]
    assert cli("exec", "main.wasm").stdout == "1\n"


def test_an_exported_artifact_carries_its_policies(project, cli):
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="main", timeout="300ms", compute="HIGH")
        def main():
            while True:
                pass
    """,
    )
    assert cli("build", "main.py", "--export").status == 0
    (project / "main.py").unlink()
    done = cli("exec", "main.wasm", "--json")
    assert done.envelope.error["error_type"] == "timeout"
    assert "main.py:3" in done.envelope.error["message"]


def test_export_does_not_overwrite_what_capsule_has_not_made(built, project, cli, said):
    project.write("main.wasm", "my own file")
    done = cli("build", "main.py", "--export")
    said(done, "main.wasm", "was not made by capsule", "hint:", status=2)
    assert (project / "main.wasm").read_text() == "my own file"


def test_build_takes_several_files(built, project, cli):
    project.write("second.py", "def main():\n    return 2\n")
    done = cli("build", "main.py", "second.py")
    assert done.status == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["built", "main.py"],
        ["built", "second.py"],
    ]


def test_verbose_says_which_imports_fail_if_they_are_reached_also_when_nothing_is_built(project, cli):
    project.write("driver.js", 'module.exports = () => require("pg-native");\n')
    project.write("main.ts", 'import driver from "./driver";\nexport const main = () => typeof driver;\n')
    said = "Cannot find module 'pg-native'"
    note = f"note: driver.js: require of 'pg-native' fails when it is reached: {said}\n"
    assert cli("build", "main.ts").stderr.count("note:") == 0
    assert note in cli("build", "main.ts", "-v").stderr
    project.write("capsule.toml", '[workspace]\nmembers = ["*.ts"]\n')
    assert note not in cli("build").stderr
    done = cli("build", "--verbose", "--json")
    assert note in done.stderr
    assert "note" not in done.stdout
    assert cli("run", "main.ts").stdout == "function\n"


@pytest.mark.parametrize("where", ["file", "symlink", "dangling"])
def test_a_capsule_folder_that_is_something_else_is_left_alone(project, cli, tmp_path, where):
    project.write("main.py", "def main():\n    return 1\n")
    outside = tmp_path / "outside"
    if where == "file":
        project.write(".capsule", "mine")
    elif where == "symlink":
        outside.mkdir()
        (project / ".capsule").symlink_to(outside)
    else:
        (project / ".capsule").symlink_to(outside)
    done = cli("run", "main.py")
    assert (done.status, done.stdout) == (0, "1\n"), done
    assert "Traceback" not in done.stderr
    if where == "file":
        assert (project / ".capsule").read_text() == "mine"
    elif where == "symlink":
        assert list(outside.iterdir()) == []
    else:
        assert not outside.exists()


@pytest.mark.parametrize("name", ["wasm", "wit", "trace.db"])
def test_links_inside_the_capsule_folder_are_not_followed(project, cli, tmp_path, name):
    project.write("main.py", "def main():\n    return 1\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / ".capsule").mkdir()
    (project / ".capsule" / name).symlink_to(outside / "db" if name == "trace.db" else outside)
    done = cli("run", "main.py")
    assert (done.status, done.stdout) == (0, "1\n"), done
    assert "Traceback" not in done.stderr
    assert list(outside.iterdir()) == []


def test_a_project_that_cannot_be_written_still_runs(project, cli, read_only):
    project.write("main.py", "def main():\n    return 1\n")
    read_only(project.root)
    done = cli("run", "main.py")
    assert (done.status, done.stdout) == (0, "1\n"), done
    assert "Traceback" not in done.stderr
    assert not (project / ".capsule").exists()


@pytest.fixture
def read_only():
    """Makes a folder read-only, for root too."""
    made = []

    def make(folder):
        if os.geteuid() != 0:
            folder.chmod(0o555)
        elif subprocess.run(["chattr", "+i", folder], capture_output=True, check=False).returncode != 0:
            mounted = ["mount", "--bind", "-o", "ro", folder, folder]
            if subprocess.run(mounted, capture_output=True, check=False).returncode != 0:
                pytest.skip("this root can make nothing read-only")
            made.append((folder, ["umount", folder]))
            return
        made.append((folder, ["chattr", "-i", folder]))

    yield make
    for folder, undo in made:
        if os.geteuid() != 0:
            folder.chmod(0o755)
        else:
            subprocess.run(undo, check=True)


def test_cache_stat_prune_and_clear_say_what_they_do(built, project, cli):
    built()
    rows = {row["store"]: row for row in json.loads(cli("cache", "stat", "--json").stdout)}
    assert rows["artifacts"]["entries"] == 1
    assert rows["engines"]["entries"] >= 1
    assert rows["compiled"]["bytes"] > 1_000_000
    assert "removed 0 entries" in cli("cache", "prune", "--max-age", "700h").stdout
    assert cli("cache", "clear").stdout.startswith("artifacts  removed 1 entries")
    assert project.artifacts() == []
    assert json.loads(cli("cache", "stat", "--json").stdout)[1]["entries"] >= 1
