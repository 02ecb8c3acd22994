"""Attacks that need nothing but the user guide's language: any runtime that speaks it can be tried with them.

Each is a hostile program, and what it would be for it to succeed.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECRET = "the-host's-own-secret-7c1f"

PROGRAM = """\
import json, os, sys, time
from capsule import task
from capsule import http

SECRET = "CAPSULE_TEST_SECRET"

def tried(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"

def ask_for(name, args, **policy):
    "Asks the host for a task in every way that hosts have, with a policy of our own making."
    found = []
    try:
        from wit_world.imports import api
        found.append(tried(api.schedule_task, name, json.dumps(args), json.dumps({{"name": name, **policy}})))
    except ImportError:
        pass
    try:
        from wit_world.imports import tasks
        call = {{"args": args, "kwargs": {{}}, "policy": policy, "config": policy, **policy}}
        for text in (json.dumps({{"args": args, "kwargs": {{}}}}), json.dumps(call)):
            try:
                found.append(tasks.outcome(tasks.start(name, text)))
            except Exception as error:
                found.append(repr(error))
    except ImportError:
        pass
    return found

@task(name="main", {options})
def main(*args):
{body}
"""


@dataclass(frozen=True)
class Scene:
    """Where an attack happens: a project, a folder outside of it, and two servers on loopback."""

    root: Path
    outside: Path
    port: int
    other_port: int


@dataclass(frozen=True)
class Result:
    """What came of it. ``reached`` is what each server was asked: method, path and headers."""

    status: int
    stdout: str
    stderr: str
    timed_out: bool
    reached: list[Any]
    reached_other: list[Any]

    @property
    def envelope(self) -> Mapping[str, Any] | None:
        """The last line of stdout, if it is an envelope in strict JSON."""
        lines = [line for line in self.stdout.splitlines() if line.strip()]
        try:
            value = json.loads(lines[-1], parse_constant=_refuse)
        except (IndexError, ValueError):
            return None
        return value if isinstance(value, dict) and "success" in value and "execution" in value else None

    @property
    def succeeded(self) -> bool:
        """Whether the task did."""
        return bool(self.envelope and self.envelope["success"])

    @property
    def value(self) -> Any:
        """What the task returned."""
        return self.envelope["result"] if self.envelope else None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@dataclass(frozen=True)
class Attack:
    """A hostile program. ``body`` is its main task's; ``gained`` says whether it got what it was after."""

    name: str
    body: str
    gained: Callable[[Result, Scene], bool]
    options: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    runs: int = 1
    between: Callable[[Scene, Callable[[str], object]], None] | None = None
    """What happens between two runs; it may run other programs of the project."""
    terminal: bool = False
    """Whether its output goes to a terminal."""
    exported: bool = False
    """Whether the program is exported first, and then run with ``exec``."""
    within: float = 60.0
    """Seconds after which the runtime counts as stuck, once the program is built."""

    def source(self, scene: Scene) -> str:
        """The program, with the scene's places filled in."""
        body = self.body
        places = {"OUTSIDE": scene.outside, "OTHER_PORT": scene.other_port, "PORT": scene.port}
        for name, place in places.items():
            body = body.replace(f"<{name}>", str(place))
        indented = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        return PROGRAM.format(options=self.options, body=indented)


def _leaked(result: Result, scene: Scene) -> bool:
    return SECRET in result.stdout + result.stderr


def _no_clear_end(result: Result, scene: Scene) -> bool:
    """Neither an envelope nor an error and its exit code: it got stuck, or took the runtime down."""
    if result.timed_out or result.status < 0 or "panicked" in result.stderr:
        return True
    return result.envelope is None and not (result.status and "rror" in result.stdout + result.stderr)


def _reached(result: Result, scene: Scene) -> bool:
    return bool(result.reached)


def _reached_other(result: Result, scene: Scene) -> bool:
    return bool(result.reached_other)


def _ran_long(result: Result, scene: Scene) -> bool:
    if result.envelope is None:
        return True
    return result.succeeded or result.envelope["execution"]["duration_ms"] > 2500


def _swap_artifacts(scene: Scene, run: Callable[[str], object]) -> None:
    """Puts what another program was built to, native code included, in the place of the program's own."""
    (scene.root / "other.py").write_text((scene.root / "main.py").read_text().replace("good", "evil"))
    run("other.py")
    for other in sorted((scene.root / ".capsule/wasm").glob("other_*")):
        for mine in sorted((scene.root / ".capsule/wasm").glob("main_*")):
            if mine.suffix == other.suffix:
                mine.write_bytes(other.read_bytes())
            else:
                mine.with_suffix(other.suffix).write_bytes(other.read_bytes())


READ_SECRET = "return [tried(lambda p=p: open(p).read()) for p in ({paths})]"

ATTACKS = (
    Attack(
        "asking for a task with an environment of its own choice",
        """
        if args: return os.environ.get(SECRET)
        code = "found = ask_for('main', ['child'], env_variables=[SECRET])"
        scope = dict(globals()); exec(code, scope)
        return scope["found"]
        """,
        _leaked,
    ),
    Attack(
        "asking for a task with folders of its own choice",
        """
        if args: return [tried(lambda p=p: open(p).read()) for p in ("secret.txt", "/secret.txt")]
        return ask_for("main", ["child"], allowed_files=["."])
        """,
        _leaked,
        files={"secret.txt": SECRET},
    ),
    Attack(
        "asking for a task with hosts of its own choice",
        """
        if args: return tried(lambda: http.get("http://127.0.0.1:<PORT>/child").status_code)
        return ask_for("main", ["child"], allowed_hosts=["127.0.0.1", "127.0.0.1:<PORT>", "*"])
        """,
        _reached,
        options="allowed_hosts=[]",
    ),
    Attack(
        "asking for a task with more fuel",
        """
        if args:
            for _ in range(40_000_000): pass
            return "done"
        return ask_for("main", ["child"], compute="HIGH")
        """,
        lambda result, scene: '"done' in result.stdout.replace("\\", ""),
        options='compute="LOW"',
    ),
    Attack(
        "starting a task that is not declared",
        """
        if args: return "ran"
        return ask_for("nobody", ["child"])
        """,
        lambda result, scene: "ran" in result.stdout,
    ),
    Attack("reading the host's environment", "return dict(os.environ)", _leaked),
    Attack(
        "reading the caller's standard input",
        "return tried(lambda: sys.stdin.read())",
        _leaked,
        stdin=SECRET,
    ),
    Attack(
        "computing past the timeout",
        "while True: pass",
        _ran_long,
        options='timeout="1s", compute="HIGH"',
        within=30,
    ),
    Attack("sleeping past the timeout", "time.sleep(5)", _ran_long, options='timeout="1s"', within=30),
    Attack(
        "more memory than it declared",
        "return len(bytearray(512 << 20))",
        lambda result, scene: result.succeeded or _no_clear_end(result, scene),
        options='ram="64MB"',
    ),
    Attack(
        "endless recursion",
        "f = lambda n: f(n + 1)\nsys.setrecursionlimit(10**9)\nreturn f(0)",
        _no_clear_end,
    ),
    Attack(
        "a fork bomb of tasks",
        "return str(main())[:50]",
        _no_clear_end,
        options='compute="LOW"',
    ),
    Attack(
        "flooding the caller with output",
        "for _ in range(200): sys.stdout.write('x' * (1 << 20))",
        lambda result, scene: len(result.stdout) + len(result.stderr) > 64 << 20,
        options='compute="HIGH"',
    ),
    Attack(
        "an envelope on standard output",
        """
        print(json.dumps({"success": True, "result": "forged", "error": None, "execution": {}}))
        raise ValueError("failed")
        """,
        lambda result, scene: "forged" in result.stdout,
    ),
    Attack(
        "an envelope as an error's text",
        """
        forged = {"success": True, "result": "forged", "error": None, "execution": {}}
        raise ValueError('"}\\n' + json.dumps(forged))
        """,
        lambda result, scene: any(
            line.startswith('{"success": true') and '"forged"' in line[:60]
            for line in result.stdout.splitlines()
        ),
    ),
    Attack(
        "control sequences for the terminal",
        r"print('\x1b]0;owned\x07\x1b[2J\x1b[31mowned'); sys.stderr.write('\x1b]52;c;b3duZWQ=\x07')",
        # Colours are the runtime's own business; titles, the clipboard and a cleared screen are not.
        lambda result, scene: any(code in result.stdout for code in ("\x1b]0;", "\x1b]52;", "\x1b[2J")),
        terminal=True,
    ),
    Attack(
        "returning something shaped like an error",
        'return {"error_type": "timeout", "message": "forged"}',
        lambda result, scene: (
            not result.succeeded or result.value != {"error_type": "timeout", "message": "forged"}
        ),
    ),
    Attack(
        "returning something shaped like an envelope",
        'return {"success": False, "result": 1, "error": "forged", "execution": {"fuel_consumed": 0}}',
        lambda result, scene: not result.succeeded or result.value.get("error") != "forged",
    ),
    Attack(
        "returning a number that JSON has not",
        "return float('nan')",
        # Python's JSON has a name for it, which strict parsers refuse: exact, or a clear failure.
        lambda result, scene: "NaN" not in result.stdout and "error" not in result.stdout + result.stderr,
    ),
    Attack("returning half a letter", r"return '\ud800'", _no_clear_end),
    Attack("returning a number of 10,000 digits", "return 1 << 33_000", _no_clear_end),
    Attack(
        "returning a list 100,000 deep",
        """
        deep = []
        for _ in range(100_000): deep = [deep]
        return deep
        """,
        _no_clear_end,
    ),
    Attack(
        "ending its process with success",
        "os._exit(0)",
        lambda result, scene: result.succeeded or _no_clear_end(result, scene),
    ),
    Attack("leaving with SystemExit", "raise SystemExit(0)", _no_clear_end),
    Attack(
        "loopback under a list for the internet",
        "return tried(lambda: http.get('http://127.0.0.1:<PORT>/').status_code)",
        _reached,
        options='allowed_hosts=["*"]',
    ),
    Attack(
        "loopback written as one number",
        "return tried(lambda: http.get('http://2130706433:<PORT>/').status_code)",
        _reached,
        options='allowed_hosts=["*"]',
    ),
    Attack(
        "loopback written as IPv6",
        "return tried(lambda: http.get('http://[::ffff:127.0.0.1]:<PORT>/').status_code)",
        _reached,
        options='allowed_hosts=["*"]',
    ),
    Attack(
        "a redirect that leaves the list",
        "return tried(lambda: http.get('http://127.0.0.1:<PORT>/to/localhost:<OTHER_PORT>/').status_code)",
        _reached_other,
        options='allowed_hosts=["127.0.0.1"]',
    ),
    Attack(
        "an allowed host as the user's name",
        "return tried(lambda: http.get('http://example.com@localhost:<PORT>/').status_code)",
        _reached,
        options='allowed_hosts=["example.com"]',
    ),
    Attack(
        "an allowed host in the path, the query and the fragment",
        """
        for url in ("http://localhost:<PORT>/example.com", "http://localhost:<PORT>/?example.com",
                    "http://localhost:<PORT>/#example.com", "http://localhost:<PORT>\\\\example.com"):
            tried(lambda: http.get(url))
        """,
        _reached,
        options='allowed_hosts=["example.com", "https://example.com"]',
    ),
    Attack(
        "a header that smuggles another",
        r"""
        evil = {'X-One': 'a\r\nX-Evil: b'}
        return tried(lambda: http.get('http://127.0.0.1:<PORT>/', headers=evil).status_code)
        """,
        lambda result, scene: any("x-evil" in asked.headers for asked in result.reached),
        options='allowed_hosts=["127.0.0.1"]',
    ),
    Attack(
        "a path up and out of its folder",
        READ_SECRET.format(
            paths='"data/../../outside/secret.txt", "../outside/secret.txt", "<OUTSIDE>/secret.txt"'
        ),
        _leaked,
        options='allowed_files=["data"]',
        files={"data/a.txt": "a", "../outside/secret.txt": SECRET},
    ),
    Attack(
        "a symbolic link that was in its folder",
        READ_SECRET.format(paths='"data/link/secret.txt", "data/file", "./data/file"'),
        _leaked,
        options='allowed_files=["data"]',
        files={"data/a.txt": "a", "../outside/secret.txt": SECRET},
        links={"data/link": "<OUTSIDE>", "data/file": "<OUTSIDE>/secret.txt"},
    ),
    Attack(
        "a folder that is itself a symbolic link out of the project",
        READ_SECRET.format(paths='"data/secret.txt", "./data/secret.txt"'),
        lambda result, scene: result.succeeded and _leaked(result, scene),
        options='allowed_files=["data"]',
        files={"../outside/secret.txt": SECRET},
        links={"data": "<OUTSIDE>"},
    ),
    Attack(
        "a symbolic link that it makes",
        """
        tried(lambda: os.symlink("<OUTSIDE>", "data/made"))
        tried(lambda: os.symlink("../../outside", "data/made2"))
        return [tried(lambda p=p: open(p).read()) for p in ("data/made/secret.txt", "data/made2/secret.txt")]
        """,
        _leaked,
        options='allowed_files=["data"]',
        files={"data/a.txt": "a", "../outside/secret.txt": SECRET},
    ),
    Attack(
        "changes in a folder that it may only read",
        """
        tried(lambda: open("data/new.txt", "w").write("x")); tried(lambda: os.remove("data/a.txt"))
        tried(lambda: os.mkdir("data/d")); tried(lambda: os.rename("data/a.txt", "data/b.txt"))
        tried(lambda: open("data/a.txt", "a").write("x"))
        """,
        lambda result, scene: (
            [p.name for p in (scene.root / "data").iterdir()] != ["a.txt"]
            or (scene.root / "data/a.txt").read_text() != "a"
        ),
        options='allowed_files=[{"path": "data", "mode": "read-only"}]',
        files={"data/a.txt": "a"},
    ),
    Attack(
        "rewriting its own source for the next run",
        """
        for name in ("main.py", "./main.py", "/main.py"):
            tried(lambda: open(name, "a").write("# planted"))
        """,
        lambda result, scene: (
            "# planted\n" in (scene.root / "main.py").read_text() + "\n"
            and (scene.root / "main.py").read_text().endswith("# planted")
        ),
        options='allowed_files=["."]',
    ),
    Attack(
        "planting something among the built artifacts",
        """
        for folder in (".capsule/wasm", "./.capsule/wasm", "/.capsule/wasm"):
            tried(lambda: open(folder + "/planted.cwasm", "w").write("x"))
        """,
        lambda result, scene: any((scene.root / ".capsule").rglob("planted*")),
        options='allowed_files=["."]',
    ),
    Attack(
        "modules beside the source that run on the host while it is built",
        "return 1",
        lambda result, scene: (scene.outside / "ran").exists(),
        files=dict.fromkeys(
            (
                "sitecustomize.py",
                "usercustomize.py",
                "json.py",
                "componentize_py.py",
                "encodings/__init__.py",
            ),
            'import os\ntry:\n    open("<OUTSIDE>/ran", "w").write("x")\nexcept Exception: pass\n',
        ),
    ),
    Attack(
        "another program's native code in the place of its own",
        'return "good"',
        lambda result, scene: "evil" in result.stdout,
        runs=2,
        between=_swap_artifacts,
    ),
    Attack(
        "running without its limits once it is exported",
        """
        for _ in range(40_000_000): pass
        return "done"
        """,
        lambda result, scene: "done" in result.stdout,
        options='compute="LOW"',
        exported=True,
    ),
    Attack(
        "the same random numbers in every sandbox",
        """
        import random, secrets, uuid
        return [f"<{name}:{value}>" for name, value in
                (("random", random.random()), ("uuid", uuid.uuid4()), ("secrets", secrets.token_hex(8)))]
        """,
        lambda result, scene: len(set(found := re.findall("<[a-z]+:[^>]+>", result.stdout))) < len(found),
        runs=2,
    ),
    Attack(
        "a regular expression that takes for ever",
        "import re; return str(re.match(r'(a+)+$', 'a' * 60 + 'b'))",
        _ran_long,
        options='timeout="1s", compute="HIGH"',
    ),
    Attack(
        "credentials that follow a redirect to another server",
        """
        key = {"Authorization": "Bearer token"}
        there = "http://127.0.0.1:<PORT>/to/127.0.0.1:<OTHER_PORT>/"
        return tried(lambda: http.get(there, headers=key).status_code)
        """,
        lambda result, scene: any("authorization" in asked.headers for asked in result.reached_other),
        options='allowed_hosts=["127.0.0.1"]',
    ),
    Attack(
        "what one sub-task leaves to the next",
        """
        if args:
            import builtins
            found = [getattr(builtins, "left", None), os.environ.get("LEFT")]
            builtins.left = os.environ["LEFT"] = "left-over"
            return found
        return [str(main("child")) for _ in range(3)]
        """,
        lambda result, scene: "left-over" in result.stdout,
    ),
    Attack(
        "a declared variable's value left in .capsule",
        """
        print(os.environ[SECRET])
        key = {"X-Key": os.environ[SECRET]}
        return tried(lambda: http.get("http://127.0.0.1:<PORT>/", headers=key).status_code)
        """,
        lambda result, scene: any(
            SECRET.encode() in file.read_bytes()
            for file in (scene.root / ".capsule").rglob("*")
            if file.is_file()
        ),
        options='env_variables=["CAPSULE_TEST_SECRET"], allowed_hosts=["127.0.0.1"]',
    ),
)
