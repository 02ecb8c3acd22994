"""The user guide's file access: what a task may reach, and the operator's mounts."""

from __future__ import annotations

import json

import pytest

from capsule import CapsuleError
from capsule.launch.journals import close_journals

TOUCH = """
    import os, pathlib
    from capsule import task

    @task(name="main", allowed_files={files})
    def main(path, text=None):
        try:
            if text is None:
                return pathlib.Path(path).read_text()
            pathlib.Path(path).write_text(text)
            return "written"
        except OSError as error:
            return type(error).__name__
"""


def test_the_example_of_the_guide_works(project):
    (project / "output").mkdir()
    envelope = project.run("""
        from capsule import task

        @task(name="restricted_writer", allowed_files=["./output"])
        def restricted_writer() -> None:
            with open("./output/result.txt", "w") as f:
                f.write("result")

        @task(name="main")
        def main() -> str:
            restricted_writer()
    """)
    assert envelope.success, envelope
    assert (project / "output/result.txt").read_text() == "result"


def test_open_os_and_pathlib_read_and_write_below_a_granted_folder(project):
    project.write("data/in.txt", "42")
    envelope = project.run("""
        import os, pathlib, shutil
        from capsule import task

        @task(name="main", allowed_files=["./data", "./output"])
        def main():
            text = open("./data/in.txt").read()
            os.makedirs("output/deep/er")
            pathlib.Path("output/deep/er/a.txt").write_text(text * 2)
            shutil.copy("data/in.txt", "output/b.txt")
            os.rename("output/b.txt", "output/c.txt")
            os.remove("data/in.txt")
            return sorted(os.listdir("output")), sorted(str(p) for p in pathlib.Path("output").rglob("*"))
    """)
    assert envelope.unwrap()[0] == ["c.txt", "deep"]
    assert (project / "output/deep/er/a.txt").read_text() == "4242"
    assert not (project / "data/in.txt").exists()


def test_nothing_can_be_accessed_without_a_grant(project):
    project.write("data/in.txt", "42")
    assert project.run(TOUCH.format(files="[]"), "data/in.txt").unwrap() != "42"
    assert project.run(TOUCH.format(files="[]"), "new.txt", "x").unwrap() != "written"
    assert not (project / "new.txt").exists()


@pytest.mark.parametrize(
    "path", ["../outside.txt", "data/../../outside.txt", "data/../secret.txt", "/etc/passwd", "{absolute}"]
)
def test_paths_that_lead_out_of_a_granted_folder_lead_nowhere(project, path):
    project.write("secret.txt", "secret")
    project.write("../outside.txt", "secret")
    project.write("data/in.txt", "42")
    path = path.format(absolute=project / "secret.txt")
    found = project.run(TOUCH.format(files='["data"]'), path).unwrap()
    assert found in ("FileNotFoundError", "PermissionError", "OSError")
    assert project.run(TOUCH.format(files='["data"]'), path, "x").unwrap() != "written"
    assert (project / "secret.txt").read_text() == "secret"


@pytest.mark.parametrize("target", ["../secret.txt", "{absolute}"])
def test_a_symbolic_link_inside_a_granted_folder_leads_nowhere(project, target):
    project.write("secret.txt", "secret")
    (project / "data").mkdir()
    (project / "data/link").symlink_to(target.format(absolute=project / "secret.txt"))
    assert project.run(TOUCH.format(files='["data"]'), "data/link").unwrap() != "secret"
    project.run(TOUCH.format(files='["data"]'), "data/link", "x")
    assert (project / "secret.txt").read_text() == "secret"


def test_a_task_that_makes_a_symbolic_link_gains_nothing(project):
    project.write("secret.txt", "secret")
    (project / "data").mkdir()
    envelope = project.run(
        """
        import os
        from capsule import task

        @task(name="main", allowed_files=["data"])
        def main(*targets):
            found = []
            for number, target in enumerate(targets):
                try:
                    os.symlink(target, f"data/{number}")
                    found.append(open(f"data/{number}").read())
                except OSError as error:
                    found.append(type(error).__name__)
            return found
        """,
        "../secret.txt",
        str(project / "secret.txt"),
    )
    assert "secret" not in envelope.unwrap()


def test_a_granted_folder_that_is_a_link_out_of_the_project_is_refused(project, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (project / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CapsuleError, match="out of the project") as caught:
        project.run(TOUCH.format(files='["data"]'), "data/x")
    assert "main.py:4" in str(caught.value)
    assert "--mount" in caught.value.hint


def test_a_sub_task_whose_grant_cannot_be_made_fails_with_permission_denied(project, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (project / "data").symlink_to(tmp_path / "elsewhere")
    envelope = project.run("""
        from capsule import task

        @task(name="part", allowed_files=["data"])
        def part():
            return 1

        @task(name="main")
        def main():
            return part()
    """)
    assert envelope.result["error"]["error_type"] == "permission_denied"


def test_a_single_file_is_not_a_grant_and_the_error_says_so(project):
    project.write("data.txt", "x")
    with pytest.raises(CapsuleError, match="not a folder") as caught:
        project.run(TOUCH.format(files='["data.txt"]'), "data.txt")
    assert "folder that the file lies in" in caught.value.hint


def test_a_missing_folder_is_made_when_it_is_writable(project):
    assert project.run(TOUCH.format(files='["new/er"]'), "new/er/x", "text").unwrap() == "written"
    assert (project / "new/er/x").read_text() == "text"


def test_a_missing_read_only_folder_is_not_made(project):
    files = '[{"path": "new", "mode": "ro"}]'
    assert project.run(TOUCH.format(files=files), "new/x").unwrap() == "FileNotFoundError"
    assert not (project / "new").exists()


@pytest.mark.parametrize("mode", ["ro", "read-only"])
def test_a_read_only_folder_can_be_read_and_not_written(project, mode):
    project.write("data/in.txt", "42")
    files = f'[{{"path": "data", "mode": "{mode}"}}]'
    assert project.run(TOUCH.format(files=files), "data/in.txt").unwrap() == "42"
    assert project.run(TOUCH.format(files=files), "data/in.txt", "x").unwrap() == "PermissionError"
    assert project.run(TOUCH.format(files=files), "data/new.txt", "x").unwrap() == "PermissionError"
    assert (project / "data/in.txt").read_text() == "42"


def test_a_ceiling_makes_a_grant_read_only(project):
    project.write("data/in.txt", "42")
    limits = {"allowed_files": [{"path": "data", "mode": "ro"}]}
    text = TOUCH.format(files='["data", "other"]')
    assert project.run(text, "data/in.txt", limits=limits).unwrap() == "42"
    assert project.run(text, "data/in.txt", "x", limits=limits).unwrap() == "PermissionError"
    assert project.run(text, "other/x", "x", limits=limits).unwrap() != "written"
    assert not (project / "other").exists()


@pytest.mark.parametrize("folder", [".", ".capsule", ".capsule/wasm", "src"])
def test_a_writable_grant_over_what_decides_the_next_run_is_refused(project, folder):
    with pytest.raises(CapsuleError, match="decides what runs next") as caught:
        project.run(TOUCH.format(files=f'["{folder}"]'), "x", "x", file="src/main.py")
    assert "allow_project_writes" in caught.value.hint


def test_the_whole_project_can_be_granted_read_only(project):
    project.write("data/in.txt", "42")
    files = '[{"path": ".", "mode": "ro"}]'
    assert project.run(TOUCH.format(files=files), "data/in.txt").unwrap() == "42"
    assert project.run(TOUCH.format(files=files), "main.py", "x").unwrap() != "written"


def test_limits_can_allow_project_writes(project):
    project.write("capsule.toml", "[limits]\nallow_project_writes = true\n")
    assert project.run(TOUCH.format(files='["."]'), "new.txt", "x").unwrap() == "written"
    assert (project / "new.txt").read_text() == "x"


# Mounts


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "in.txt").write_text("42")
    return folder


def test_a_mount_puts_a_folder_from_anywhere_at_a_path_in_the_sandbox(project, elsewhere):
    text = TOUCH.format(files="[]")
    mounts = [f"{elsewhere}::/data"]
    assert project.run(text, "/data/in.txt", mounts=mounts).unwrap() == "42"
    assert project.run(text, "/data/out.txt", "x", mounts=mounts).unwrap() == "written"
    assert (elsewhere / "out.txt").read_text() == "x"


def test_a_mount_without_a_guest_path_appears_under_its_own(project, elsewhere):
    text = TOUCH.format(files="[]")
    assert project.run(text, f"{elsewhere}/in.txt", mounts=[str(elsewhere)]).unwrap() == "42"
    project.write("data/in.txt", "43")
    assert project.run(text, "data/in.txt", mounts=["./data"]).unwrap() == "43"


def test_a_read_only_mount_cannot_be_written(project, elsewhere):
    text = TOUCH.format(files="[]")
    mounts = [f"{elsewhere}::/data:ro"]
    assert project.run(text, "/data/in.txt", mounts=mounts).unwrap() == "42"
    assert project.run(text, "/data/in.txt", "x", mounts=mounts).unwrap() == "PermissionError"
    assert (elsewhere / "in.txt").read_text() == "42"


def test_a_writable_mount_over_the_project_is_refused(project):
    (project / ".capsule").mkdir()
    for folder in (".", "./.capsule", ".."):
        with pytest.raises(CapsuleError, match="decides what runs next"):
            project.run(TOUCH.format(files="[]"), "x", mounts=[f"{folder}::/p"])


def test_the_command_line_takes_mounts(project, cli, said, elsewhere):
    project.write("main.py", TOUCH.format(files="[]"))
    assert cli("run", "main.py", "/data/in.txt", "--mount", f"{elsewhere}::/data:ro").stdout == "42\n"
    said(cli("run", "main.py", "x", "--mount", "nowhere"), "nowhere is not a folder", "hint:", status=2)
    said(cli("run", "main.py", "x", "--mount", "::/data"), "HOST[::GUEST][:ro|:rw]", status=2)


READ = """
    from capsule import task

    @task(name="reader", allowed_files=["./other"])
    def reader(path):
        return open(path).read()

    @task(name="main")
    def main(path):
        return reader(path)
"""


def test_a_denied_folder_is_named_in_the_outcome_and_in_the_record(project, cli):
    project.write("data/in.txt", "42")
    project.write("main.py", READ)
    envelope = cli("run", "main.py", "data/in.txt", "--json").envelope.result
    assert envelope["error"]["error_type"] == "permission_denied"
    why = (
        "the folder './data' is not in allowed_files of task reader (main.py:3), which has ./other; "
        'to allow it, add {"path": "./data", "mode": "read-only"}'
    )
    assert (
        envelope["error"]["message"] == f"PermissionError: [Errno 2] Permission denied: {why}: 'data/in.txt'"
    )
    [run] = [one["id"] for one in json.loads(cli("trace", "--json").stdout)["runs"]]
    assert f"refused allowed_files: 'data/in.txt': {why}" in cli("trace", run).stdout


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_a_denied_folder_is_named_wherever_the_sandbox_is(project, isolation, monkeypatch):
    monkeypatch.setenv("CAPSULE_ISOLATION", isolation)
    envelope = project.run(READ, "data/x")
    assert "of task reader (main.py:3)" in envelope.result["error"]["message"]


def test_denials_without_end_are_recorded_up_to_a_bound(project, cli):
    envelope = project.run("""
        def main():
            for number in range(2 * 150):
                try:
                    open(f"data/{number // 2}")
                except OSError:
                    pass
            return number
    """)
    assert envelope.result == 299
    close_journals()
    [run] = [one["id"] for one in json.loads(cli("trace", "--json").stdout)["runs"]]
    [task] = json.loads(cli("trace", run, "--json").stdout)["tasks"]
    subjects = [refusal["subject"] for refusal in task["refusals"]]
    assert len(subjects) == len(set(subjects)) == 100


def test_a_denied_folder_is_named_to_typescript_in_its_own_words(project):
    envelope = project.run(
        """
        import { task } from "@capsule-run/sdk";
        import fs from "fs";
        export const main = task({ name: "main", allowedFiles: ["./other"] }, () =>
            fs.readFileSync("data/in.txt"));
        """,
        file="main.ts",
    )
    assert envelope.error["error_type"] == "permission_denied"
    assert (
        "the folder './data' is not in allowedFiles of task main (main.ts:3), which has ./other"
        in (envelope.error["message"])
    )
