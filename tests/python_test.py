"""The Python frontend as a user meets it: tasks, modules, packages, values, the standard library."""

from __future__ import annotations

import json
import textwrap
import time
import zipfile

import pytest

from capsule import CapsuleError

# Declaring tasks


@pytest.mark.parametrize(
    "text",
    [
        "from capsule import task\n@task\ndef main(): return 1",
        "from capsule import task\n@task()\ndef main(): return 1",
        "from capsule import task as t\n@t(name='main')\ndef begin(): return 1",
        "import capsule\n@capsule.task(compute='LOW')\ndef main(): return 1",
        "import capsule as c\n@c.task\ndef main(): return 1",
        "from capsule import task\n@task\nasync def main(): return 1",
        "from capsule import task\nLEVEL = 'LOW'\n@task(name='main', compute=LEVEL)\ndef main(): return 1",
        "def main(): return 1",
        "async def main(): return 1",
    ],
)
def test_every_way_to_declare_main_works(project, text):
    assert project.run(text).unwrap() == 1


def test_options_that_are_computed_are_found_by_running_the_module_in_a_sealed_sandbox(project, cli):
    (project / "main.py").write_text(
        "from capsule import task\n"
        "def minutes(n): return f'{n * 60}s'\n"
        "@task(name='main', timeout=minutes(2))\n"
        "def main(): return 1\n"
    )
    [task] = json.loads(cli("tasks", "main.py", "--json").stdout)
    assert task["effective"]["timeout"] == 120
    assert task["effective"]["origins"]["timeout"] == "main.py:3"


def test_nothing_of_a_project_runs_on_the_host_while_it_is_built(project, cli):
    proof = project / "proof"
    (project / "main.py").write_text(
        "from capsule import task\n"
        "import os\n"
        f"def evil():\n    open({str(proof)!r}, 'w').close()\n    return os.environ.get('PATH', '5s')\n"
        "try:\n    limit = evil()\nexcept OSError:\n    limit = os.environ.get('PATH', '5s')\n"
        "@task(name='main', timeout=limit)\n"
        "def main(): return 1\n"
    )
    [task] = json.loads(cli("tasks", "main.py", "--json").stdout)
    assert task["effective"]["timeout"] == 5
    assert not proof.exists()


def test_tasks_of_imported_modules_are_tasks_too(project):
    project.write(
        "steps.py",
        """
        from capsule import task

        @task(name="step", compute="LOW")
        def step(number):
            return number + 1
    """,
    )
    envelope = project.run("""
        from capsule import task
        from steps import step

        @task(name="main")
        def main():
            return step(1)
    """)
    assert envelope.result["result"] == 2
    assert envelope.result["execution"]["task_name"] == "step"


# Modules


def test_packages_of_the_project_and_relative_imports_work(project):
    project.write("app/__init__.py", "")
    project.write("app/one.py", "from .deep.two import VALUE\n")
    project.write("app/deep/__init__.py", "")
    project.write("app/deep/two.py", "VALUE = 'two'\n")
    assert project.run("from app.one import VALUE\n\ndef main():\n    return VALUE\n").unwrap() == "two"


def test_a_module_that_is_imported_inside_a_function_is_part_of_the_program(project):
    project.write("late.py", "VALUE = 'late'\n")
    assert project.run("def main():\n    import late\n    return late.VALUE\n").unwrap() == "late"


def test_a_traceback_shows_the_users_own_files_lines_and_text(project):
    project.write("lib/__init__.py", "")
    project.write("lib/parts.py", "def part(number):\n    return 10 / number  # the culprit\n")
    envelope = project.run("from lib.parts import part\n\ndef main():\n    return part(0)\n")
    traceback = envelope.error["traceback"]
    assert 'main.py", line 4, in main' in traceback
    assert 'lib/parts.py", line 2, in part' in traceback
    assert "return 10 / number  # the culprit" in traceback
    assert traceback.rstrip().endswith("ZeroDivisionError: division by zero")


# Packages


@pytest.fixture
def wheel(project, monkeypatch):
    """A pure-Python package with a data file, as a wheel that pip and uv find, and no index beside it."""
    path = project / "vendor/greeting-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("greeting/__init__.py", "def greet(name):\n    return f'Hello, {name}'\n")
        made.writestr("greeting/words.txt", "ahoy\n")
        made.writestr(
            "greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n"
        )
        made.writestr(
            "greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(
            "greeting-1.0.dist-info/RECORD",
            "greeting/__init__.py,,\ngreeting/words.txt,,\ngreeting-1.0.dist-info/METADATA,,\n"
            "greeting-1.0.dist-info/WHEEL,,\ngreeting-1.0.dist-info/RECORD,,\n",
        )
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(path.parent))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    return "greeting==1.0"


USE = """
    import importlib.metadata
    import importlib.resources
    import greeting

    def main():
        words = importlib.resources.files("greeting").joinpath("words.txt").read_text()
        return [greeting.greet("you"), words, importlib.metadata.version("greeting")]
"""


@pytest.mark.parametrize("where", ["inline", "capsule.toml", "pyproject.toml"])
def test_pure_python_packages_become_part_of_the_program(project, wheel, where):
    header = ""
    if where == "inline":
        header = f'# /// script\n# dependencies = ["{wheel}"]\n# ///\n'
    elif where == "capsule.toml":
        project.write("capsule.toml", f'[python]\ndependencies = ["{wheel}"]\n')
    else:
        project.write("pyproject.toml", f'[project]\nname = "x"\nversion = "1"\ndependencies = ["{wheel}"]\n')
    envelope = project.run(header + textwrap.dedent(USE).lstrip())
    assert envelope.unwrap() == ["Hello, you", "ahoy\n", "1.0"]


# Values


def test_values_beyond_json_have_a_documented_conversion(project):
    envelope = project.run("""
        import dataclasses, datetime, decimal, enum, pathlib, uuid

        @dataclasses.dataclass
        class Point:
            x: int
            y: list

        class Colour(enum.Enum):
            RED = "red"

        def main():
            return {
                "point": Point(1, [Point(2, [])]),
                "day": datetime.date(2026, 1, 2),
                "price": decimal.Decimal("1.10"),
                "id": uuid.UUID(int=5),
                "path": pathlib.PurePosixPath("a/b"),
                "colour": Colour.RED,
                "pair": (1, 2),
            }
    """)
    assert envelope.unwrap() == {
        "point": {"x": 1, "y": [{"x": 2, "y": []}]},
        "day": "2026-01-02",
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000005",
        "path": "a/b",
        "colour": "red",
        "pair": [1, 2],
    }


# The standard library


MODULES = """
    abc argparse array ast base64 bisect calendar codecs collections.abc colorsys configparser contextlib csv
    dataclasses datetime decimal difflib dis email.message enum fnmatch fractions functools gettext glob
    graphlib gzip hashlib heapq hmac html.parser http.client inspect io ipaddress itertools json logging
    mailbox math mimetypes operator optparse pathlib pickle pprint queue random re reprlib sched secrets
    shelve shlex shutil statistics string stringprep struct tempfile textwrap threading timeit tokenize
    tomllib traceback types typing unicodedata unittest.mock urllib.parse uuid wave weakref xml.dom.minidom
    xml.etree.ElementTree zipfile zlib zoneinfo
"""


@pytest.mark.parametrize("module", MODULES.split())
def test_the_standard_library_can_be_imported_inside_a_task(stdlib, module):
    assert stdlib[module] == "ok"


@pytest.fixture(scope="module")
def stdlib(tmp_path_factory, user_cache):
    """What importing each module in one fresh sandbox comes to."""
    from capsule import run_sync

    path = tmp_path_factory.mktemp("stdlib") / "main.py"
    path.write_text(
        "import importlib\n"
        "def main(modules):\n"
        "    found = {}\n"
        "    for module in modules:\n"
        "        try:\n"
        "            importlib.import_module(module)\n"
        "            found[module] = 'ok'\n"
        "        except Exception as error:\n"
        "            found[module] = repr(error)\n"
        "    return found\n"
    )
    return run_sync(path, [MODULES.split()], cwd=path.parent).unwrap()


def test_randomness_and_time_are_real_in_each_sandbox(project):
    text = """
        import os, random, time, uuid

        def main():
            return [random.random(), os.urandom(8).hex(), str(uuid.uuid4()), time.time()]
    """
    first, second = project.run(text).unwrap(), project.run(text).unwrap()
    assert all(one != two for one, two in zip(first, second, strict=True))
    assert abs(second[3] - time.time()) < 60


def test_large_output_is_complete_and_in_order(project):
    told = []
    project.run(
        "def main():\n    for n in range(20_000): print(n)\n    print('x' * 300_000)\n",
        on_output=lambda stream, text: told.append(text),
    ).unwrap()
    text = "".join(told)
    assert text == "".join(f"{number}\n" for number in range(20_000)) + "x" * 300_000 + "\n"


def test_output_written_before_a_kill_is_not_lost(project):
    told = []
    envelope = project.run(
        """
        from capsule import task

        @task(name="main", timeout="300ms")
        def main():
            print("before")
            import time
            time.sleep(60)
        """,
        on_output=lambda stream, text: told.append(text),
    )
    assert envelope.error["error_type"] == "timeout"
    assert "".join(told) == "before\n"


def test_a_task_inside_a_function_is_refused_with_its_place(project):
    with pytest.raises(CapsuleError, match="inside a function") as caught:
        project.run("""
            from capsule import task

            def make():
                @task
                def inner():
                    return 1

            @task
            def main():
                return 1
        """)
    assert "main.py:" in str(caught.value)
