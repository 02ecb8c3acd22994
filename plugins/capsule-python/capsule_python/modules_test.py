import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import BuildError
from capsule_python import modules, tree
from capsule_python.modules import Closure, find_modules, search_folders
from capsule_python.tree import DiskTree, FilesTree


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def closure(root: Path, source: str = "main.py") -> Closure:
    tree = DiskTree(root)
    return find_modules(source, tree, search_folders(source, tree))


def names(root: Path, source: str = "main.py") -> list[str]:
    return [module.name for module in closure(root, source).modules]


def test_the_source_comes_first_and_unrelated_files_not_at_all(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "import a", "a.py": "import b", "b.py": "", "unrelated.py": ""})
    assert names(tmp_path) == ["main", "a", "b"]


RELATIVE = "from . import sub\nfrom .listed import x\nfrom .sub import deep\nfrom .... import beyond"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import pkg.sub.deep", {"pkg", "pkg.sub", "pkg.sub.deep"}),
        ("from pkg import sub", {"pkg", "pkg.sub"}),
        ("from pkg import name", {"pkg"}),
        ("from pkg.sub.deep import name", {"pkg", "pkg.sub", "pkg.sub.deep"}),
        ("from pkg import *", {"pkg", "pkg.listed"}),
        ("def f():\n    import pkg.sub", {"pkg", "pkg.sub"}),
        ("import importlib\nimportlib.import_module('pkg.sub')", {"pkg", "pkg.sub"}),
        ("import importlib\nimportlib.import_module('pkg.sub-1')", {"pkg", "pkg.sub-1"}),
        ("__import__('pkg')", {"pkg"}),
        ("import pkg.relative", {"pkg", "pkg.relative", "pkg.sub", "pkg.listed", "pkg.sub.deep"}),
        ("import space.inner", {"space.inner"}),
        ("from space import inner", {"space.inner"}),
        ("import space", set()),
        ("import pkg.missing", {"pkg"}),
        ("from . import pkg", set()),
    ],
)
def test_imports_are_followed_as_python_does(tmp_path: Path, line: str, expected: set[str]) -> None:
    write(
        tmp_path,
        {
            "main.py": line,
            "pkg/__init__.py": "__all__ = ['listed', 'name']\nname = 1",
            "pkg/listed.py": "",
            "pkg/sub-1.py": "",
            "pkg/sub/__init__.py": "",
            "pkg/sub/deep.py": "name = 1",
            "pkg/relative.py": RELATIVE,
            "space/inner.py": "",
        },
    )
    found = closure(tmp_path)
    assert {module.name for module in found.modules} == {"main", *expected}
    assert found.external <= {"space"} - {module.name.partition(".")[0] for module in found.modules}
    assert set(found.namespaces) == {name for name in ("space",) if "space.inner" in expected}


def test_the_closure_is_what_python_itself_loads(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app/main.py": "import json, helpers, pkg.a\nfrom pkg import b",
            "app/helpers.py": "import shared",
            "app/shared.py": "",
            "app/json.py": "from decimal import Decimal",
            "app/pkg/__init__.py": "from . import c",
            "app/pkg/a.py": "",
            "app/pkg/b.py": "from .d.e import x",
            "app/pkg/c.py": "",
            "app/pkg/d/e.py": "x = 1",
        },
    )
    code = "import sys, runpy; runpy.run_path('app/main.py'); print(*(n for n, m in sys.modules.items()"
    code += " if (getattr(m, '__file__', '') or '').startswith(sys.path[0])))"
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'app')!r}); {code}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert set(names(tmp_path, "app/main.py")) == {"main", *done.stdout.split()}


def test_the_folder_of_the_source_comes_before_the_root(tmp_path: Path) -> None:
    write(tmp_path, {"app/main.py": "import a, b", "app/a.py": "", "a.py": "", "b.py": ""})
    assert [module.file for module in closure(tmp_path, "app/main.py").modules] == [
        "app/main.py", "app/a.py", "b.py"
    ]  # fmt: skip


def test_src_is_searched_under_a_root_with_a_pyproject(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "import pkg", "src/pkg/__init__.py": ""})
    assert names(tmp_path) == ["main"]
    write(tmp_path, {"pyproject.toml": ""})
    assert names(tmp_path) == ["main", "pkg"]


def test_an_own_module_wins_over_the_standard_library_but_a_bare_folder_does_not(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "import json, email.message", "json.py": "", "email/message.py": ""})
    assert names(tmp_path) == ["main", "json"]
    assert closure(tmp_path).external == frozenset()


def test_the_sdk_is_never_an_own_module(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"main.py": "import capsule\nfrom capsule.http import get", "capsule.py": "", "capsule/http.py": ""},
    )
    assert names(tmp_path) == ["main"]
    with pytest.raises(BuildError, match=r"capsule\.py"):
        closure(tmp_path, "capsule.py")


def test_external_names_are_those_of_packages_only(tmp_path: Path) -> None:
    write(
        tmp_path, {"main.py": "import os, requests.auth, a\nfrom capsule import task", "a.py": "import yaml"}
    )
    assert closure(tmp_path).external == {"requests", "yaml"}


def test_modules_run_in_the_order_in_which_python_runs_them(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main.py": "import b\nimport a\ndef f():\n    import lazy",
            "a.py": "import c, main",
            "b.py": "import c",
            "c.py": "",
            "lazy.py": "",
        },
    )
    stretches = list(closure(tmp_path).stretches())
    assert [module.name for module, _, until in stretches if until > 100] == ["c", "b", "a", "main"]
    assert [(after, until) for module, after, until in stretches if module.name == "main"][:2] == [
        (0, 1),
        (1, 2),
    ]


def test_a_link_that_leaves_the_project_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"secret.py": "KEY = 1", "project/main.py": "import helpers", "project/real.py": ""})
    link = tmp_path / "project/helpers.py"
    link.symlink_to(tmp_path / "secret.py")
    with pytest.raises(BuildError, match="leaves the project") as caught:
        closure(tmp_path / "project")
    assert str(caught.value.location) == "helpers.py"
    link.unlink()
    link.symlink_to("real.py")
    assert names(tmp_path / "project") == ["main", "helpers"]
    link.unlink()
    (tmp_path / "project/pkg").symlink_to(tmp_path)
    write(tmp_path / "project", {"main.py": "import pkg.secret"})
    with pytest.raises(BuildError, match="leaves the project"):
        closure(tmp_path / "project")


def test_a_link_in_circles_and_a_link_to_nowhere_are_errors_with_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "import a"})
    (tmp_path / "a.py").symlink_to("a.py")
    with pytest.raises(BuildError, match=r"^a\.py: can't be read"):
        closure(tmp_path)
    (tmp_path / "a.py").unlink()
    (tmp_path / "a.py").symlink_to("gone.py")
    with pytest.raises(BuildError, match=r"^a\.py: .*leads nowhere"):
        closure(tmp_path)


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "import a"})
    os.mkfifo(tmp_path / "a.py")
    with pytest.raises(BuildError, match="not a regular file"):
        closure(tmp_path)


def test_a_missing_source_and_a_folder_are_no_sources(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no such file"):
        closure(tmp_path)
    (tmp_path / "main.py").mkdir()
    with pytest.raises(BuildError, match="no such file"):
        closure(tmp_path)


def test_a_module_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_SOURCE", 100)
    write(tmp_path, {"main.py": "#" * 101})
    with pytest.raises(BuildError, match="larger than"):
        closure(tmp_path)


def test_too_many_modules_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "MAX_MODULES", 3)
    write(tmp_path, {"main.py": "import a, b, c", "a.py": "", "b.py": "", "c.py": ""})
    with pytest.raises(BuildError, match="more than 3 own modules"):
        closure(tmp_path)


def test_a_syntax_error_is_final_only_where_this_python_knows_all_that_the_guest_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"main.py": "import a", "a.py": "x =\nimport b", "b.py": ""})
    monkeypatch.setattr(modules, "SEES_ALL", False)
    assert names(tmp_path) == ["main", "a", "b"]
    monkeypatch.setattr(modules, "SEES_ALL", True)
    with pytest.raises(BuildError, match=r"^a\.py:1: syntax error"):
        closure(tmp_path)


def test_files_read_before_give_the_same_closure(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app/main.py": "import a.b, c\nfrom pkg import x",
            "app/a/b.py": "",
            "c.py": "",
            "pyproject.toml": "",
            "src/pkg/__init__.py": "from . import x",
            "src/pkg/x.py": "",
        },
    )
    tree = DiskTree(tmp_path)
    folders = search_folders("app/main.py", tree)
    first = find_modules("app/main.py", tree, folders)
    files = {module.file: module.source for module in first.modules}
    assert len(files) == 5
    assert find_modules("app/main.py", FilesTree(files), folders) == first


parts = st.sampled_from(["a", "b", "c"])
dotted = st.lists(parts, min_size=1, max_size=3).map(".".join)
lines = st.one_of(
    dotted.map("import {}".format),
    st.tuples(dotted, parts).map(lambda pair: "from {} import {}".format(*pair)),
    st.tuples(st.sampled_from([".", "..", "..."]), parts).map(lambda pair: "from {} import {}".format(*pair)),
)
paths = st.tuples(dotted, st.booleans()).map(
    lambda pair: pair[0].replace(".", "/") + ("/__init__.py" if pair[1] else ".py")
)


@settings(max_examples=200)
@given(
    st.dictionaries(paths, st.lists(lines, max_size=4).map("\n".join), max_size=6),
    st.lists(lines, max_size=4),
)
def test_any_tangle_of_imports_ends_and_can_be_read_again(files: dict[str, str], main: list[str]) -> None:
    tree = FilesTree({"main.py": "\n".join(main).encode(), **{k: v.encode() for k, v in files.items()}})
    first = find_modules("main.py", tree, ("",))
    again = find_modules("main.py", FilesTree({m.file: m.source for m in first.modules}), ("",))
    assert again == first
    assert {module.name for module, _, _ in first.stretches()} <= {module.name for module in first.modules}
