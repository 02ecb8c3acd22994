"""Attacks while a program is built: nothing of a project runs on the host, nothing of the host goes in."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from capsule import CapsuleError
from capsule.workers.pool import pool

PLANT = "import pathlib; pathlib.Path(__file__).with_name('ran-on-the-host').write_text('x')\n"

MODULES = [
    "capsule.py",
    "capsule/__init__.py",
    "capsule_python.py",
    "capsule_cache.py",
    "json.py",
    "os.py",
    "re.py",
    "ast.py",
    "site.py",
    "sitecustomize.py",
    "usercustomize.py",
    "pluggy.py",
    "conftest.py",
    "wasmtime.py",
    "tomlkit.py",
    "typing.py",
    "setup.py",
    "hatch_build.py",
    "__init__.py",
    "__main__.py",
    "pip.py",
    "uv.py",
    "evil.pth",
    "helper.py",
]


def planted(project):
    return list(project.root.rglob("ran-on-the-host"))


@pytest.mark.parametrize("first", range(4))
def test_modules_of_the_project_that_shadow_those_of_the_host(project, cli, first):
    for name in MODULES[first::4]:
        project.write(name, PLANT)
    project.write("main.py", "def main():\n    return 'good'\n")
    done = cli("run", "main.py")
    assert "Traceback" not in done.stderr, done.stderr
    assert planted(project) == []


def test_all_of_them_when_the_program_imports_them(project, cli):
    """In the sandbox they run; the file that they write is nowhere."""
    for name in ("helper.py", "setup.py", "sitecustomize.py"):
        project.write(name, PLANT)
    project.write("main.py", "def main():\n    import helper, setup, sitecustomize\n    return 'good'\n")
    done = cli("run", "main.py")
    assert "Traceback (most recent call last)" not in done.stderr or "main.py" in done.stderr
    assert planted(project) == []


def test_the_top_level_while_tasks_are_discovered(project, cli, monkeypatch):
    """Options that can't be read from the source are asked of a sandbox without anything."""
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    project.write("data/in.txt", "secret")
    project.write(
        "main.py",
        """
        import os, pathlib
        from capsule import task

        def look():
            found = [os.environ.get("CAPSULE_TEST_SECRET"), dict(os.environ)]
            for path in ("data/in.txt", "/etc/passwd", "main.py"):
                try:
                    found.append(open(path).read())
                except OSError as error:
                    found.append(type(error).__name__)
            try:
                pathlib.Path("ran-on-the-host").write_text("x")
            except OSError:
                pass
            return repr(found)

        @task(name="main", timeout=look())
        def main():
            return 1
        """,
    )
    done = cli("run", "main.py")
    assert done.status in (2, 3), done
    assert "secret" not in done.stdout + done.stderr, done.stderr
    assert "root:" not in done.stderr
    assert planted(project) == []


def test_requests_while_tasks_are_discovered(project, server, cli):
    project.write(
        "main.py",
        f"""
        from capsule import task
        from capsule.http import get

        def look():
            try:
                get("{server.url}/x")
            except Exception:
                pass
            return "5s"

        @task(name="main", timeout=look(), allowed_hosts=["127.0.0.1:{server.port}"])
        def main():
            return 1
        """,
    )
    cli("tasks", "main.py")
    assert server.asked == []


@pytest.mark.parametrize(
    "requirement",
    [
        "evil @ file://{root}/evil",
        "evil @ {root}/evil",
        "./evil",
        "-e ./evil",
        "evil @ git+https://host.example/evil",
        "evil @ http://host.example/evil.whl",
        "evil @ https://host.example/evil.tar.gz",
        "--index-url=http://host.example/ x",
        "-r other.txt",
        "x\n--index-url http://host.example/",
    ],
)
@pytest.mark.parametrize("where", ["pep 723", "capsule.toml", "pyproject.toml"])
def test_requirements_that_would_run_a_build(project, requirement, where):
    requirement = requirement.format(root=project.root)
    project.write("evil/setup.py", PLANT)
    project.write(
        "evil/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = 'setup'\nbackend-path = ['.']\n",
    )
    listed = repr(requirement).replace("'", '"')
    source = "import wanted\n\ndef main():\n    return 1\n"
    if where == "pep 723":
        source = f"# /// script\n# dependencies = [{listed}]\n# ///\n" + source
    elif where == "capsule.toml":
        project.write("capsule.toml", f"[python]\ndependencies = [{listed}]\n")
    else:
        project.write("pyproject.toml", f'[project]\nname = "x"\nversion = "1"\ndependencies = [{listed}]\n')
    with pytest.raises(CapsuleError):
        project.run(source)
    assert planted(project) == []


def test_a_build_backend_of_the_project_is_not_run(project, cli):
    project.write("backend.py", PLANT)
    project.write(
        "pyproject.toml",
        """
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]

        [project]
        name = "x"
        version = "1"

        [project.entry-points.capsule]
        evil = "backend"

        [tool.hatch.build.hooks.custom]
        path = "backend.py"
        """,
    )
    project.write("main.py", "def main():\n    return 'good'\n")
    assert cli("run", "main.py").stdout == "good\n"
    assert planted(project) == []


@pytest.mark.parametrize("link", ["helper.py", "pkg"])
def test_sources_that_are_links_out_of_the_project(project, tmp_path, link):
    """A clone may hold links to any file of the user's: they don't become part of a program."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "helper.py").write_text("SECRET = 'secret'\n")
    (away / "__init__.py").write_text("SECRET = 'secret'\n")
    (project / link).symlink_to(away / "helper.py" if link.endswith(".py") else away)
    name = link.removesuffix(".py")
    try:
        envelope = project.run(f"def main():\n    import {name}\n    return {name}.SECRET\n")
    except CapsuleError:
        return
    assert not envelope.success, envelope


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "x = " + "[" * 5000 + "]" * 5000,
        "x" + ".x" * 100_000,
        "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 150)),
        "\0",
        "# -*- coding: rot13 -*-\nqrs znva(): cnff\n",
        "# coding: unicode_escape\n\\u0064ef main(): pass\n",
        "x = '" + "a" * 5_000_000 + "'",
        "x = " + "9" * 100_000,
        "\ufeff" * 10,
        "def main(" + ", ".join(f"a{n}" for n in range(100_000)) + "): pass",
    ],
    ids=range(12),
)
def test_sources_that_are_hard_on_a_parser(project, text):
    """An outcome, or an error for people; nothing else comes out of the build."""
    try:
        envelope = project.run(text + "\ndef main():\n    return 1\n")
    except CapsuleError:
        return
    assert envelope.result == 1 or envelope.error["message"]


def test_two_tasks_that_share_a_name_in_disguise(project):
    with pytest.raises(CapsuleError, match="named"):
        project.run("""
            from capsule import task

            @task(name="main")
            def one():
                return 1

            @task(name="ma" "in", env_variables=["PATH"])
            def two():
                return 2
        """)


# Environment


def test_only_declared_variables_reach_a_task(attack, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    monkeypatch.setenv("CAPSULE_TEST_OPEN", "open")
    envelope = attack("return dict(os.environ)", options="env_variables=['CAPSULE_TEST_OPEN']")
    found = envelope.unwrap()
    assert found["CAPSULE_TEST_OPEN"] == "open"
    assert "secret" not in str(found)
    assert not set(found) & (set(os.environ) - {"CAPSULE_TEST_OPEN", "PYTHONHASHSEED", "HOME", "PWD", "LANG"})


@pytest.mark.parametrize(
    "name", ["*", "CAPSULE_*", "CAPSULE_TEST_SECRET=1", "", "$CAPSULE_TEST_SECRET", "A B"]
)
def test_variables_by_a_pattern(attack, monkeypatch, name):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    try:
        envelope = attack("return dict(os.environ)", options=f"env_variables=[{name!r}]")
    except CapsuleError:
        return
    assert "secret" not in str(envelope.unwrap())


def test_a_dotenv_that_copies_a_variable_of_the_host(attack, project, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "secret")
    project.write(".env", "STOLEN=${CAPSULE_TEST_SECRET}\nALSO=$CAPSULE_TEST_SECRET\nRUN=$(id)\nTICK=`id`\n")
    found = attack(
        "return dict(os.environ)", options="env_variables=['STOLEN', 'ALSO', 'RUN', 'TICK']"
    ).unwrap()
    assert "secret" not in str(found)
    assert "uid=" not in str(found)


def test_a_dotenv_that_is_a_link_out_of_the_project(attack, project, tmp_path):
    (tmp_path / "secrets").write_text("STOLEN=secret\n")
    (project / ".env").symlink_to(tmp_path / "secrets")
    with pytest.raises(CapsuleError, match="leaves the project"):
        attack("return os.environ.get('STOLEN')", options="env_variables=['STOLEN']")


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError(open('/nowhere').read())",
        "import traceback; traceback.print_stack(); return [str(f) for f in traceback.extract_stack()]",
        "return [sys.argv, sys.executable, sys.path, sys.prefix, os.getcwd(), os.environ.get('HOME')]",
        "import platform; return [platform.node(), platform.uname()[1], os.getpid()]",
        "return [__file__, sys.modules['capsule'].__file__, main.__code__.co_filename]",
        "from wit_world.imports import tasks; tasks.start('x', None)",
        "import getpass; return getpass.getuser()",
        "return sorted(os.listdir('/'))",
    ],
)
def test_nothing_of_the_host_is_seen_from_inside(attack, project, body):
    """Neither the user, nor the machine, nor a path of it, in results, errors, tracebacks and output."""
    import getpass
    import socket
    import sys

    written = []
    envelope = attack(body, on_output=lambda stream, text: written.append(text))
    seen = repr(envelope) + "".join(written)
    for secret in (
        str(project.root),
        str(project.root.parent),
        sys.prefix,
        socket.gethostname(),
        str(Path.home()),
    ):
        assert len(secret) < 4 or secret not in seen.replace("/root.py", ""), (secret, seen)
    assert f"'{getpass.getuser()}'" not in seen


# Where a program's top level runs while its tasks are looked for

COMPUTED = {
    "main.py": """
        from capsule import task
        {top}
        def retries():
            return 2
        @task(name="main", max_retries=retries())
        def main():
            return 1
    """,
    "main.ts": """
        import {{ task }} from "@capsule-run/sdk";
        {top}
        const retries = () => 2;
        export const main = task({{ name: "main", maxRetries: retries() }}, () => 1);
    """,
}


@pytest.fixture
def no_sandbox_here(monkeypatch):
    """Whoever makes a sandbox in this process finds out."""

    def refuse(*arguments, **more):
        raise AssertionError("a sandbox in the host's own process")

    monkeypatch.setattr("capsule.runtime.sandbox.Sandbox.__init__", refuse)


@pytest.mark.parametrize("file", COMPUTED)
def test_a_computed_option_is_not_computed_in_the_host_s_process(project, no_sandbox_here, file):
    assert project.run(COMPUTED[file].format(top=""), file=file).unwrap() == 1


def test_a_computed_option_is_computed_in_the_host_s_process_where_the_operator_says_so(
    project, no_sandbox_here, monkeypatch
):
    monkeypatch.setenv("CAPSULE_ISOLATION", "thread")
    with pytest.raises(CapsuleError, match="a sandbox in the host's own process"):
        project.run(COMPUTED["main.py"].format(top=""))


def test_what_a_top_level_takes_while_it_is_asked_is_not_taken_from_the_host(project):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert project.run(COMPUTED["main.py"].format(top="x = bytearray(b'x') * 1_000_000_000")).unwrap() == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
    with pytest.raises(CapsuleError, match=r"MemoryError|memory"):
        project.run(COMPUTED["main.py"].format(top="x = [bytearray(1 << 20) for _ in range(4096)]"))


def test_a_worker_that_dies_under_a_top_level_is_a_failed_build(project):
    """What a guest could do at worst, once it has escaped: its process goes, and the host goes on."""
    stop = threading.Event()

    def kill():
        while not stop.wait(0.05):
            for pid in list(pool()._kinds):
                if time.monotonic() > begun + 1.5:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    begun = time.monotonic()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(CapsuleError, match="worker process was ended"):
            project.run(COMPUTED["main.py"].format(top="import time; time.sleep(50)"))
    finally:
        stop.set()
        killer.join()
    assert project.run(COMPUTED["main.py"].format(top="")).unwrap() == 1
