"""Ways around the ceilings of the operator: files that lie, or seem to lie, where nobody set any."""

from __future__ import annotations

import json

import pytest

from capsule import CapsuleError, run_sync
from capsule.build.oversight import oversight
from capsule.frontend.manager import plugins
from capsule.launch.prepare import prepare
from capsule.policy.limits import apply_limits
from capsule.project.opened import open_project

GREEDY = """
from capsule import task

@task(name="main", ram="2GB", env_variables=["HOME"], allowed_files=["data"])
def main():
    import os
    return os.environ.get("HOME")
"""

CEILING = "[limits]\nram = '64MB'\nenv_variables = []\n"


@pytest.fixture
def places(tmp_path):
    """``mine`` has ceilings; ``theirs`` is a repository beside it that has none."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/capsule.toml").write_text(CEILING)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/main.py").write_text(GREEDY)
    return tmp_path


def effective(file, cwd):
    """What the main task of a file may use when it is run from ``cwd``."""
    prepared = prepare(file, cwd, plugins(), progress=lambda _: None)
    task = prepared.loaded.manifest.tasks["main"]
    return apply_limits(task.declared, prepared.limits).policy


def held(policy):
    return policy.ram == 64 << 20 and policy.env_variables == ()


@pytest.mark.parametrize("target", ["../theirs/main.py", "chain"])
def test_a_source_that_is_a_symbolic_link(places, target):
    """From a folder that has nothing to say: only where the link lies has ceilings."""
    (places / "mine/chain").symlink_to("../theirs/main.py")
    (places / "mine/main.py").symlink_to(target)
    assert held(effective(places / "mine/main.py", places / "theirs"))


def test_a_link_on_the_way_through_a_folder_with_ceilings(places):
    """Neither where it was typed nor where it ends: the second link of three lies under them."""
    (places / "mine/second").symlink_to("../theirs")
    (places / "first").symlink_to("mine/second")
    assert held(effective(places / "first/main.py", places / "theirs"))
    assert held(effective(places / "first/../theirs/main.py", places / "theirs"))


@pytest.mark.parametrize("nested", ["", "[limits]\nram = '4GB'\nenv_variables = ['HOME']\n"])
def test_a_nested_capsule_toml(places, nested):
    inner = places / "mine/vendor/theirs"
    inner.mkdir(parents=True)
    (inner / "capsule.toml").write_text(nested)
    (inner / "main.py").write_text(GREEDY)
    assert held(effective(inner / "main.py", places / "theirs"))


def test_a_nested_workspace(places):
    inner = places / "mine/vendor"
    (inner / "member").mkdir(parents=True)
    (inner / "capsule.toml").write_text('[workspace]\nmembers = ["member"]\n')
    (inner / "member/capsule.toml").write_text("")
    (inner / "member/main.py").write_text(GREEDY)
    assert held(effective(inner / "member/main.py", places / "theirs"))


@pytest.mark.parametrize("folder", ["mine", "mine/deep/er"])
def test_a_source_elsewhere_run_from_a_folder_with_ceilings(places, folder):
    (places / folder).mkdir(parents=True, exist_ok=True)
    assert held(effective(places / "theirs/main.py", places / folder))
    (places / "theirs/capsule.toml").write_text("[limits]\nram = '4GB'\n")
    assert held(effective(places / "theirs/main.py", places / folder))


def test_a_working_folder_that_was_entered_through_a_link(places, cli):
    """The shell says ``mine/link``; the system, which follows links, says ``theirs``."""
    (places / "mine/link").symlink_to("../theirs")
    done = cli(
        *("explain", "main.py", "--json"), cwd=places / "mine/link", env={"PWD": str(places / "mine/link")}
    )
    [task] = json.loads(done.stdout)["tasks"]
    assert task["policy"]["ram"]["effective"] == 64 << 20
    assert task["policy"]["env_variables"]["effective"] == []


def test_an_artifact_behind_a_link_and_a_nested_capsule_toml(places, cli):
    assert cli("build", "main.py", "--export", cwd=places / "theirs").status == 0
    inner = places / "mine/vendor"
    inner.mkdir()
    (inner / "capsule.toml").write_text("")
    (inner / "main.wasm").symlink_to(places / "theirs/main.wasm")
    assert held(effective(inner / "main.wasm", places / "theirs"))
    assert run_sync(inner / "main.wasm", cwd=places / "theirs").unwrap() is None


def test_a_signature_that_an_outer_folder_requires(places, cli):
    """Below it, a folder with settings of its own that requires none, and a link into one that has none."""
    assert cli("keys", "new", "release", cwd=places).status == 0
    assert cli("build", "main.py", "--export", cwd=places / "theirs").status == 0
    (places / "mine/capsule.toml").write_text("[signatures]\nrequired = ['release.pub']\n")
    (places / "mine/release.pub").write_bytes((places / "release.pub").read_bytes())
    inner = places / "mine/vendor"
    inner.mkdir()
    (inner / "capsule.toml").write_text("[signatures]\nrequired = []\n")
    (inner / "main.wasm").write_bytes((places / "theirs/main.wasm").read_bytes())
    (places / "mine/link.wasm").symlink_to(places / "theirs/main.wasm")
    for file in (inner / "main.wasm", places / "mine/link.wasm"):
        with pytest.raises(CapsuleError, match="refused"):
            run_sync(file, cwd=places / "theirs")


def test_leave_to_write_what_decides_the_next_run_from_within(places):
    """Each of the files has to give it: silence of an outer one is a no."""
    inner = places / "mine/vendor"
    inner.mkdir()
    (inner / "capsule.toml").write_text("[limits]\nallow_project_writes = true\n")
    (inner / "main.py").write_text(GREEDY)
    project = open_project(inner / "main.py", places / "theirs", plugins())
    found = oversight(project, places / "theirs", plugins())
    assert not found.limits.allow_project_writes
    assert str(places / "mine/capsule.toml") in found.limits.origin("allow_project_writes")
    (places / "mine/capsule.toml").write_text("[limits]\nallow_project_writes = true\n")
    assert oversight(project, places / "theirs", plugins()).limits.allow_project_writes


def test_folders_of_an_outer_ceiling_are_not_those_of_an_inner_project(places):
    (places / "mine/capsule.toml").write_text("[limits]\nallowed_files = ['data']\n")
    inner = places / "mine/vendor"
    inner.mkdir()
    (inner / "capsule.toml").write_text("")
    (inner / "main.py").write_text(GREEDY)
    assert effective(inner / "main.py", places / "theirs").allowed_files == ()
    (places / "mine/capsule.toml").write_text("[limits]\nallowed_files = ['vendor']\n")
    assert [each.path for each in effective(inner / "main.py", places / "theirs").allowed_files] == ["data"]


def test_settings_above_that_can_not_be_read_bound_nothing_by_failing(places):
    (places / "mine/capsule.toml").write_text("[limits\n")
    inner = places / "mine/vendor"
    inner.mkdir()
    (inner / "capsule.toml").write_text("")
    (inner / "main.py").write_text(GREEDY)
    with pytest.raises(CapsuleError) as refused:
        prepare(inner / "main.py", places / "theirs", plugins(), progress=lambda _: None)
    assert str(refused.value.location) == f"{places / 'mine/capsule.toml'}:1"


def test_every_command_is_held_to_them_and_explain_shows_each_with_its_file(places, cli):
    """``run``, ``tasks``, ``explain`` and ``worker``, of a link in the folder with ceilings."""
    (places / "mine/main.py").symlink_to("../theirs/main.py")
    (places / "theirs/capsule.toml").write_text("[limits]\nram = '1GB'\ntasks = 5\n")
    file, here = places / "mine/main.py", places / "theirs"
    assert cli("run", file, "--json", cwd=here).envelope.unwrap() is None
    [listed] = json.loads(cli("tasks", file, "--json", cwd=here).stdout)
    assert listed["effective"]["env_variables"] == [], listed
    worker = cli.start("worker", cwd=here)
    worker.stdin.write(json.dumps({"id": 1, "file": str(file)}) + "\n")
    worker.stdin.flush()
    worker.stdout.readline()
    assert json.loads(worker.stdout.readline())["outcome"]["result"] is None
    worker.communicate()

    explained = json.loads(cli("explain", file, "--json", "--limit", "tasks=3", cwd=here).stdout)
    [task] = explained["tasks"]
    outer = places / "mine/capsule.toml"
    assert task["policy"]["ram"]["ceiling_origin"] == f"[limits] ram ({outer}:2)"
    assert [(one["name"], one["value"], one["origin"]) for one in explained["ceilings"]] == [
        ("ram", 1 << 30, f"[limits] ram (capsule.toml:2), of {here / 'capsule.toml'}"),
        ("tasks", 5, f"[limits] tasks (capsule.toml:3), of {here / 'capsule.toml'}"),
        ("ram", 64 << 20, f"[limits] ram ({outer}:2)"),
        ("env_variables", [], f"[limits] env_variables ({outer}:3)"),
        ("tasks", 3, "--limit tasks"),
    ]
    text = cli("explain", file, cwd=here).stdout
    assert "ram = 64 MiB" in text
    assert str(outer) in text


@pytest.mark.parametrize(
    ("outer", "inner", "effective"),
    [
        ('["vendor/gen"]', '["gen", "more"]', ("gen",)),
        ('["vendor"]', '["gen"]', ("gen",)),
        ('["elsewhere"]', "true", ()),
        ("true", '["gen"]', ("gen",)),
        ('["."]', "true", (".",)),
        ("false", '["gen"]', False),
        (None, '["gen"]', False),
    ],
)
def test_folders_that_an_outer_ceiling_lets_be_written(places, outer, inner, effective):
    """Each of the files has to name them, as they are called from where it lies."""
    said = {places / "mine/vendor": inner, places / "mine": outer}
    (places / "mine/vendor").mkdir()
    for folder, value in said.items():
        (folder / "capsule.toml").write_text(
            "" if value is None else f"[limits]\nallow_project_writes = {value}\n"
        )
    (places / "mine/vendor/main.py").write_text(GREEDY)
    project = open_project(places / "mine/vendor/main.py", places / "theirs", plugins())
    found = oversight(project, places / "theirs", plugins()).limits.allow_project_writes
    assert (found or False) == (effective or False)
