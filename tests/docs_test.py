"""The documentation names what there is: every option, limit, command, error type, and no dead link."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from capsule.cli.app import app, cache_app
from capsule.policy.limits import Limits
from capsule.policy.model import Policy
from capsule.policy.options import OPTIONS
from capsule.sdk.outcome import ERROR_TYPES

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs/guide.md").read_text()
REFERENCE = (ROOT / "docs/reference.md").read_text()
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    ROOT / "cache/README.md",
    ROOT / "plugins/capsule-python/README.md",
    *ROOT.glob("examples/*/README.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in _anchors(linked.read_text()), target


def test_no_page_has_what_a_merge_left():
    marks = re.compile(r"^(<{7}|={7}|>{7})(\s|$)", re.MULTILINE)
    assert [page.name for page in PAGES if marks.search(page.read_text())] == []


def test_no_page_tells_anybody_to_install_what_is_not_there():
    """There is no release: `capsule-run` on PyPI is another project's, and the SDK is not on npm."""
    ours = re.compile(r"install\b[^`]*\s[\"']?(capsule-(run|cache|python|js|c|wat)\b|@capsule-run/)")
    pages = [*PAGES, *ROOT.glob("plugins/*/README.md"), *ROOT.glob("plugins/*/sdk/README.md")]
    pages += ROOT.glob("capsule/templates/**/*.in")
    lines = [
        f"{page.relative_to(ROOT)}: {line.strip()}"
        for page in pages
        if page.name != "CHANGELOG.md"
        for line in page.read_text().splitlines()
        if ours.search(line) and "tool install --from ." not in line
    ]
    assert lines == []


def test_the_guide_explains_every_option_of_a_task():
    assert {"name", *OPTIONS} == set(re.findall(r"^\| `(\w+)` \|", _section(GUIDE, "Options"), re.MULTILINE))
    assert set(OPTIONS) == {field.name for field in dataclasses.fields(Policy)}


def test_the_guide_explains_every_error_type():
    listed = re.findall(r"^\| `(\w+)` \|", _section(GUIDE, "What comes back"), re.MULTILINE)
    assert set(ERROR_TYPES) == set(listed) - {"error_type"}


def test_the_reference_lists_every_limit():
    named = set(re.findall(r"`([a-z_]+)`", "".join(_first_column(_section(REFERENCE, "Limits")))))
    assert named == {field.name for field in dataclasses.fields(Limits)} - {"origins"}


def test_the_reference_lists_every_default_of_capsule_toml():
    section = _section(REFERENCE, "`capsule.toml`")
    assert set(re.findall(r"`default_(\w+)`", section)) == set(OPTIONS)


def test_the_reference_lists_every_command():
    section = _section(REFERENCE, "Commands")
    for name in {*app.resolved_commands(), *cache_app.resolved_commands()}:
        if not name.startswith("-"):
            assert re.search(rf"`(capsule |cache )*{name}\b", section), name


@pytest.mark.parametrize("page", ["README.md", "docs/untrusted-code.md"])
def test_the_sandbox_that_is_shown_first_does_what_the_table_beside_it_says(project, page):
    source = re.search(r"```python\n(# sandbox\.py.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert source is not None

    def reason(code: str) -> str:
        return project.run(source[1], code, [{"price": 3}]).error["error_type"]

    assert project.run(source[1], "result = rows[0]['price'] * 14", [{"price": 3}]).unwrap() == 42
    assert reason("while True: pass") == "out_of_fuel"
    assert reason("import time; time.sleep(60)") == "timeout"
    assert reason("result = bytearray(10**9)") == "out_of_memory"
    assert reason("import urllib.request as web; web.urlopen('http://127.0.0.1/')") == "permission_denied"
    assert reason("import os; os.environ['HOME']") == "task_error"
    assert reason("import subprocess; subprocess.run(['true'])") == "task_error"
    assert reason("import socket; socket.socket().bind(('', 0))") == "task_error"


def _section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def _first_column(section: str) -> list[str]:
    return re.findall(r"^\| (.*?) \|", section, re.MULTILINE)


def _anchors(text: str) -> set[str]:
    """The anchors of headings, as repository hosts make them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# CONTRIBUTING.md

HOUSE = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## The rooms")[2]


def test_the_picture_of_the_rooms_has_the_floors_that_the_linter_keeps():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    floors = [layer.split(" | ") for layer in project["tool"]["importlinter"]["contracts"][0]["layers"]]
    picture = HOUSE.split("```")[1].strip().splitlines()
    assert [line.strip().partition("   ")[0].split("  ") for line in picture] == floors


def test_the_way_through_a_run_names_files_that_are_there():
    walk = HOUSE.partition("### What happens")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_]+/[\w/]*(?:\.py)?)`", walk)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "capsule" / name).exists() and name != "capsule/"] == []
