"""Programs: modules, the standard library, packages, their data and metadata."""

from __future__ import annotations

from pathlib import Path

from capsule_python.harness_test import World, compile_modules, program, run


def test_the_whole_standard_library_can_be_imported_late_and_under_exec() -> None:
    source = """
def main():
    import plistlib, xmlrpc.client, unittest.mock
    found = {}
    exec("import colorsys, doctest; x = colorsys.rgb_to_hsv(0, 0, 1)", found)
    return [plistlib.loads(plistlib.dumps({"a": 1})), list(found["x"])]
"""
    assert run(source).result == [{"a": 1}, [2 / 3, 1.0, 1]]


def test_every_module_that_the_platform_supports_imports() -> None:
    source = """
import importlib, sys
ABSENT = {"_bz2", "_lzma", "_zstd", "_ctypes", "_curses", "_dbm", "_gdbm", "_interpreters",
    "_multiprocessing", "_remote_debugging", "mmap", "msvcrt", "termios", "fcntl", "resource",
    "pwd", "grp", "syslog", "readline",
    "tkinter", "_tkinter", "_uuid", "_winapi", "winreg", "nt", "_scproxy", "_posixshmem", "_testcapi"}
def main():
    failed = []
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_") or name in {"antigravity", "this", "idlelib", "turtledemo", "ensurepip"}:
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in ABSENT | {"winsound", "nturl2path", "posix", "pyexpat"}:
                failed.append(f"{name}: {error}")
    return failed
"""
    assert run(source).result == []


def test_own_modules_win_over_the_standard_library() -> None:
    files = {
        "main.py": "import queue, secrets\ndef main():\n    return [queue.MINE, secrets.MINE]\n",
        "queue.py": "MINE = 'own queue'\n",
        "secrets.py": "import random\nMINE = random.random() < 1\n",
    }
    assert run(files).result == ["own queue", True]


def test_the_standard_library_wins_over_packages() -> None:
    entries = program(
        "import queue\ndef main():\n    return hasattr(queue, 'Queue')\n", {"queue.py": "X = 1\n"}
    )
    assert World(entries).run().result is True


def test_a_module_whose_name_no_statement_can_say_is_imported_by_it() -> None:
    source = """
import importlib, pkgutil
def main():
    import pkg
    found = importlib.import_module(".unicode17-0-0", "pkg.data-1")
    return [found.X, found.__file__, [module.name for module in pkgutil.walk_packages(pkg.__path__, "pkg.")]]
"""
    packages = {
        "pkg/__init__.py": "",
        "pkg/data-1/__init__.py": "",
        "pkg/data-1/unicode17-0-0.py": "X = 17\n",
    }
    listed = ["pkg.data-1", "pkg.data-1.unicode17-0-0"]
    assert World(program(source, packages)).run().result == [17, "/app/pkg/data-1/unicode17-0-0.py", listed]


def test_relative_imports_and_packages_of_the_users_own() -> None:
    files = {
        "main.py": "import app\n"
        "from app.core import value\ndef main():\n    return [value(), app.__file__]\n",
        "app/__init__.py": "",
        "app/core.py": "from . import sub\nfrom .sub.leaf import LEAF\ndef value():\n    return LEAF\n",
        "app/sub/__init__.py": "",
        "app/sub/leaf.py": "LEAF = __name__\n",
    }
    assert run(files).result == ["app.sub.leaf", "app/__init__.py"]


def test_a_missing_module_is_named() -> None:
    error = run("import nowhere\ndef main():\n    pass\n").error
    assert error["error_type"] == "load_error"
    assert error["message"] == "ModuleNotFoundError: No module named 'nowhere'"


def test_data_files_metadata_and_module_lists_of_packages(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "data.txt").write_text("data")
    (tmp_path / "pack-1.2.dist-info").mkdir()
    (tmp_path / "pack-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: pack\nVersion: 1.2\n"
    )
    packages = {"pack/__init__.py": "", "pack/one.py": "", "pack/sub/__init__.py": ""}
    source = """
import importlib.metadata, importlib.resources, pkgutil, pack, inspect, os
def main():
    return [
        (importlib.resources.files("pack") / "data.txt").read_text(),
        pkgutil.get_data("pack", "data.txt").decode(),
        open(os.path.join(os.path.dirname(pack.__file__), "data.txt")).read(),
        importlib.metadata.version("pack"),
        [d.name for d in importlib.metadata.distributions()],
        sorted((m.name, m.ispkg) for m in pkgutil.iter_modules(pack.__path__)),
        sorted(m.name for m in pkgutil.walk_packages(pack.__path__, "pack.")),
        inspect.getsource(main).startswith("def main"),
    ]
"""
    world = World(program(source, packages), mounts=[(tmp_path, "/app")])
    assert world.run().result == [
        "data",
        "data",
        "data",
        "1.2",
        ["pack"],
        [["one", False], ["sub", True]],
        ["pack.one", "pack.sub"],
        True,
    ]


def test_data_files_of_the_users_own_packages(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data.txt").write_text("own data")
    source = """
import importlib.resources
def main():
    return importlib.resources.files("mine").joinpath("data.txt").read_text()
"""
    world = World(program({"main.py": source, "mine/__init__.py": ""}), mounts=[(tmp_path, "/app")])
    assert world.run().result == "own data"


def test_modules_written_to_a_folder_can_be_imported(tmp_path: Path) -> None:
    source = """
import sys
def main():
    open("/late/late.py", "w").write("X = 4")
    sys.path.insert(0, "/late")
    import late
    return late.X
"""
    assert World(program(source), mounts=[(tmp_path, "/late")]).run().result == 4


def test_a_small_program_costs_one_call_of_the_host() -> None:
    source = """
import json
def main():
    try:
        import ujson
    except ImportError:
        return 1
"""
    world = World(program(source))
    assert world.run().result == 1
    assert world.log == ["get main"]


def test_compile_reports_each_broken_module_with_its_place() -> None:
    good, bad, odd = compile_modules(
        [
            {"name": "good", "file": "good.py", "source": "x = 1\n"},
            {"name": "bad", "file": "src/bad.py", "source": "x = 1\ndef f(:\n"},
            {"name": "odd", "file": "odd.py", "source": "x = '\0'\n"},
        ]
    )
    assert set(good) == {"name", "code"}
    assert bad["error"] == {
        "message": "invalid syntax",
        "file": "src/bad.py",
        "line": 2,
        "text": "def f(:\n",
        "offset": 7,
    }
    assert "null bytes" in odd["error"]["message"]


def test_compiling_runs_nothing_and_is_repeatable() -> None:
    module = {"name": "m", "file": "m.py", "source": "raise SystemExit\nX = {'a', 'b', 'c'}\n"}
    assert compile_modules([module]) == compile_modules([module])


def test_source_nested_too_deeply_is_an_error_and_no_trap() -> None:
    (done,) = compile_modules([{"name": "m", "file": "m.py", "source": "(" * 100_000}])
    assert done["error"]["message"]
