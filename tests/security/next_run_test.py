"""Planting what runs next time: folders that decide a later build or run are not a task's to write."""

from __future__ import annotations

import json
import time

import pytest

from capsule import CapsuleError, run_sync

WRITES = """
from capsule import task
{imports}

@task(name="main", allowed_files=["{folder}"])
def main():
    open("{folder}/planted", "w").write("x")
    return 1
"""


def writes(project, folder, imports="", **options):
    return project.run(WRITES.format(folder=folder, imports=imports), **options)


def planted(project):
    return list(project.root.rglob("planted"))


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("imports", "folder"),
    [
        ("import html", "html"),
        ("import html", "HTML"),
        ("from html import escape", "html"),
        ("import xml.dom", "xml"),
        ("import helper", "helper"),
        ("def later():\n    import json", "json"),
    ],
)
def test_a_folder_that_would_shadow_an_import(project, imports, folder, there):
    project.write("helper.py", "x = 1\n")
    if there:
        (project / folder).mkdir()
    with pytest.raises(CapsuleError, match="decides what runs next"):
        writes(project, folder, imports)
    assert planted(project) == []


def test_a_link_to_a_folder_that_would_shadow_an_import(project):
    (project / "html").mkdir()
    (project / "out").symlink_to("html")
    with pytest.raises(CapsuleError, match="looked into for what the program imports"):
        writes(project, "out", "import html")


@pytest.mark.parametrize(
    "folder",
    [
        "node_modules", "node_modules/pkg", "Node_Modules/pkg", "sub/node_modules/@a/b", ".git", ".git/hooks",
        ".venv/lib", ".github/workflows", ".env.d", "sub/.capsule", ".vscode", "x/site-packages",
    ],
)  # fmt: skip
def test_a_folder_of_which_tools_run_what_they_find(project, folder):
    with pytest.raises(CapsuleError, match="decides what runs next") as refused:
        writes(project, folder)
    assert "allow_project_writes" in refused.value.hint
    assert planted(project) == []


@pytest.mark.parametrize(
    "inside", [".git/config", "deep/er/.git/HEAD", "node_modules/p/x.js", "capsule.toml"]
)
def test_a_folder_around_a_repository_or_another_project(project, inside):
    project.write(f"data/{inside}", "")
    with pytest.raises(CapsuleError, match="decides what runs next"):
        writes(project, "data")
    with pytest.raises(CapsuleError, match="decides what runs next"):
        project.run("def main():\n    pass\n", mounts=["data::/mnt"])
    assert project.run("def main():\n    return 1\n", mounts=["data::/mnt:ro"]).unwrap() == 1


@pytest.mark.parametrize("host", ["node_modules", "../elsewhere/.git/hooks", "html"])
def test_a_writable_mount_of_what_decides_the_next_run(project, host):
    (project / host).mkdir(parents=True)
    with pytest.raises(CapsuleError, match="decides what runs next"):
        project.run("import html\ndef main():\n    pass\n", mounts=[f"{host}::/mnt"])


@pytest.mark.parametrize("folder", ["node_modules/pkg", "config", "lib", "lib/pkg", "gen"])
def test_a_typescript_task_that_writes_what_its_build_reads(project, folder):
    """A package, the folder of a tsconfig that the project's own extends, and where aliases of it lead."""
    project.write("node_modules/pkg/index.js", "export const x = 1;")
    project.write("node_modules/pkg/package.json", '{"name": "pkg", "main": "index.js", "type": "module"}')
    project.write("config/base.json", '{"compilerOptions": {"baseUrl": "../lib"}}')
    options = '{"paths": {"pkg": ["../gen/any", "../node_modules/pkg"]}}'
    project.write("tsconfig.json", f'{{"extends": "./config/base", "compilerOptions": {options}}}')
    source = """
        import {{ task }} from "@capsule-run/sdk";
        import {{ x }} from "pkg";
        export const main = task({{ name: "main", allowedFiles: ["{folder}"] }}, () => x);
    """
    time.sleep(0.1)  # just after something was written, the frontend doesn't tell where it looked
    project.write("main.ts", source.format(folder=folder))
    time.sleep(0.1)
    with pytest.raises(CapsuleError, match="decides what runs next"):
        run_sync(project / "main.ts", cwd=project.root)


OTHER = """
from capsule import task
import html

@task(name="main")
def main():
    return "other"
"""


def test_sources_of_another_program(project):
    """What ran here before is known: a task of this program doesn't plant what that one runs next time."""
    assert project.run(OTHER, file="jobs/inner/other.py").unwrap() == "other"
    for folder in ("jobs", "jobs/inner"):
        with pytest.raises(CapsuleError, match="another program is built from") as why:
            writes(project, folder)
        assert f'allow_project_writes = ["{folder}"]' in why.value.hint
    assert planted(project) == []
    assert writes(project, "jobs/data").unwrap() == 1  # control


def test_a_module_that_another_program_would_import(project):
    assert project.run(OTHER, file="other.py").unwrap() == "other"
    with pytest.raises(CapsuleError, match="another program is built from"):
        writes(project, "html")
    (project / "other.py").unlink()
    assert writes(project, "html").unwrap() == 1  # control: no such program any more


def test_members_of_a_workspace_that_were_never_built(project, cli):
    project.write("capsule.toml", '[workspace]\nmembers = ["services/*"]\n')
    project.write("services/mail/main.py", OTHER)
    project.write("main.py", WRITES.format(folder="services", imports=""))
    done = cli("run", "main.py")
    assert done.status != 0
    assert "another program is built from" in done.stderr
    [task] = json.loads(cli("explain", "main.py", "--json").stdout)["tasks"]
    assert task["folders"][0]["state"] == "refused"
    assert planted(project) == []


@pytest.mark.parametrize(
    ("allowed", "folder", "holds"),
    [
        ('["html"]', "html", True),
        ('["html", "out"]', "html/inner", True),
        ('["."]', "html", True),
        ('["html/inner"]', "html", False),
        ('["out"]', "html", False),
        ('["link"]', "link", False),
        ("[]", "html", False),
    ],
)
def test_leave_that_names_a_folder_holds_for_that_folder_only(project, allowed, folder, holds):
    """Not for folders around it, and not for where a link of its name leads."""
    (project / "html").mkdir()
    (project / "link").symlink_to("html")
    project.write("capsule.toml", f"[limits]\nallow_project_writes = {allowed}\n")
    if holds:
        assert writes(project, folder, "import html").unwrap() == 1
    else:
        with pytest.raises(CapsuleError, match="decides what runs next"):
            writes(project, folder, "import html")
        assert planted(project) == []


def test_an_artifact_is_held_to_the_names_and_its_folder(project, cli):
    for folder in ("node_modules/pkg", "data"):
        project.write("main.py", WRITES.format(folder=folder, imports=""))
        assert cli("build", "main.py", "--export").status == 0
        done = cli("exec", "main.wasm")
        assert (done.status == 0) == (folder == "data"), done


def test_explain_says_what_decides_the_next_run_and_where(project, cli):
    project.write("main.py", WRITES.format(folder="html", imports="import html"))
    [task] = json.loads(cli("explain", "main.py", "--json").stdout)["tasks"]
    [folder] = task["folders"]
    assert folder["state"] == "refused"
    assert "html" in folder["problem"]
    assert "decides what runs next" in folder["problem"]


def test_what_only_looks_like_it_is_writable_and_the_operator_can_allow_the_rest(project):
    """Control: ordinary folders, reading, and the operator's word."""
    for folder in ("data", "output", "out/html", "git", "environment"):
        assert writes(project, folder, "import html").unwrap() == 1
    reads = 'from capsule import task\n@task(allowed_files=[{"path": "html", "mode": "ro"}])\n'
    assert project.run(f"import html\n{reads}def main():\n    return 1\n").unwrap() == 1
    project.write("capsule.toml", "[limits]\nallow_project_writes = true\n")
    assert writes(project, "html", "import html").unwrap() == 1
