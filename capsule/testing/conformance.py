"""The promises that every frontend keeps, as tests that an author's own test class inherits."""
# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from capsule.errors import CapsuleError
from capsule.frontend.spec import EngineProgram
from capsule.launch.journals import close_journals
from capsule.policy.model import HIGH_FUEL, LOW_FUEL, MEDIUM_FUEL, FileGrant
from capsule.testing.programs import PROGRAMS, Programs
from capsule.testing.server import ANSWER, serving
from capsule.testing.workshop import Workshop

DECLARED: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("hello", "main"): {"compute": LOW_FUEL, "timeout": 5.0},
    ("error", "main"): {"max_retries": 1},
    ("files", "main"): {"allowed_files": (FileGrant("data", False), FileGrant("out", True))},
    ("env", "main"): {"env_variables": ("GREETING",)},
    ("http", "main"): {"allowed_hosts": ("127.0.0.1",)},
    ("http", "denied"): {"allowed_hosts": ("example.com",)},
    ("loop", "main"): {"compute": HIGH_FUEL, "timeout": 1.0},
    ("loop", "fuel"): {"compute": 1_000_000},
    ("memory", "main"): {"ram": 64 << 20, "timeout": 30.0},
}

TASKS: Mapping[str, set[str]] = {
    "subtask": {"main", "add", "fails"},
    "map": {"main", "square"},
    "http": {"main", "denied"},
    "loop": {"main", "fuel"},
}

VALUES = [None, True, 0, -1, 2**53, 1.5, "", 'a\u00e9\u4e2d\U0001f600\n"\\', [], [[1], {}], {"": {"k": None}}]

WRONG = {"empty": b"", "not text": b"\x00\xff\xfe\x80 \x00", "nonsense": b"\x01)]}\xc3\xa9'\"`#@!\n" * 3}


class Conformance:
    """Inherit this in a class whose name begins with ``Test``, and set ``programs``."""

    programs: ClassVar[Programs]

    @pytest.fixture(scope="class")
    @classmethod
    def workshop(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
        """The programs, in a project of their own."""
        yield Workshop.open(cls.programs, tmp_path_factory.mktemp("conformance"))
        close_journals()

    # Discovery

    def test_the_frontend_is_installed_and_its_toolchain_is_there(self, workshop: Workshop) -> None:
        checks = [check for check in workshop.frontend.doctor() if check.state in ("broken", "missing")]
        assert checks == [], "the frontend's doctor() finds its toolchain"

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_a_program_builds_and_declares_its_tasks(self, workshop: Workshop, name: str) -> None:
        found = set(workshop.manifest(name).tasks)
        expected = TASKS.get(name, {"main"})
        workshop.check(found == expected, name, f"it declares {sorted(expected)}", sorted(found))

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_a_declaration_has_its_place(self, workshop: Workshop, name: str) -> None:
        path = workshop.require(name)
        workshop.require("lines")
        lines = path.read_text("utf-8").count("\n") + 1
        for task in workshop.manifest(name).tasks.values():
            place = task.location
            held = place.file == path.name and place.line is not None and 1 <= place.line <= lines
            workshop.check(held, name, f"the task {task.name!r} is declared in a line of its file", place)

    # Policy

    @pytest.mark.parametrize(("name", "task"), DECLARED)
    def test_what_a_task_declares_reaches_the_manifest(
        self, workshop: Workshop, name: str, task: str
    ) -> None:
        policy = workshop.policy(name, task)
        for option, value in DECLARED[name, task].items():
            found = getattr(policy, option)
            workshop.check(found == value, name, f"{task!r} declares {option} = {value!r}", repr(found))

    def test_a_ceiling_cuts_what_a_task_declares(self, workshop: Workshop) -> None:
        error = workshop.fails("loop", workshop.run("loop", limits={"compute": 1_000_000}), "out_of_fuel")
        workshop.check("limits" in error["message"], "loop", "the error names the ceiling", error)
        error = workshop.fails("loop", workshop.run("loop", limits={"timeout": "300ms"}), "timeout")
        workshop.check("limits" in error["message"], "loop", "the error names the ceiling", error)

    # Building

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_the_same_source_gives_the_same_bytes_in_any_folder(
        self, workshop: Workshop, name: str, tmp_path: Path
    ) -> None:
        first = workshop.build(name)
        second = Workshop.open(self.programs, tmp_path / "elsewhere").build(name)
        promise = "built in two folders, it gives the same artifact, byte for byte"
        assert first.path is not None
        assert second.path is not None
        same = first.path.read_bytes() == second.path.read_bytes()
        workshop.check(same, name, promise, f"{first.path} and {second.path}")

    def test_a_changed_source_is_built_anew(self, workshop: Workshop) -> None:
        path = workshop.require("hello")
        changed = workshop.write("changed", path.read_bytes().replace(b"LOW", b"MEDIUM"))
        before = workshop.plan(changed)
        again = workshop.plan(changed)
        workshop.check(before.key == again.key, "hello", "reading inputs twice gives the same", "two keys")
        after = workshop.plan(workshop.write("changed", path.read_bytes()))
        workshop.check(before.key != after.key, "hello", "a changed source is another input", "one key")
        tasks = workshop.frontend.discover(before.source, before.inputs, workshop.host)
        compute = next(task.options.get("compute") for task in tasks if task.name == "main")
        promise = "discover() reads the inputs that it is given, not the file as it is now"
        workshop.check(compute in ("MEDIUM", MEDIUM_FUEL), "hello", promise, f"compute = {compute!r}")

    @pytest.mark.parametrize("what", WRONG)
    def test_a_source_that_is_none_is_an_error_with_its_place(self, workshop: Workshop, what: str) -> None:
        path = workshop.write("wrong", WRONG[what])
        error = self._refused(workshop, path, f"a source that is {what} is refused")
        assert error.location is not None, f"the error for a source that is {what} names the file: {error}"
        assert error.location.file == path.name, error

    def test_a_wrong_option_is_an_error_at_its_declaration(self, workshop: Workshop) -> None:
        hello = workshop.require("hello").read_bytes()
        workshop.check(hello.count(b"LOW") == 1, "hello", "LOW stands in it once", hello.decode())
        path = workshop.write("option", hello.replace(b"LOW", b"SLOW"))
        error = self._refused(workshop, path, 'a task with compute="SLOW" is refused')
        workshop.check("compute" in error.message, "hello", "the error names the option", error)
        assert error.location is not None, error
        assert error.location.file == path.name, error
        if "lines" not in self.programs.left_out:
            workshop.check(error.location.line is not None, "hello", "the error names the line", error)

    def test_an_exported_program_runs_without_its_source(self, workshop: Workshop) -> None:
        from capsule.api import run_sync

        path = workshop.export("hello")
        envelope = run_sync(path, cwd=path.parent)
        workshop.check(envelope.get("result") == "hello", "hello", "exported, it does the same", envelope)

    def test_a_program_for_an_engine_names_the_engine_that_the_frontend_offers(
        self, workshop: Workshop
    ) -> None:
        planned = workshop.plan(workshop.require("hello"))
        offered = planned.frontend.engine(planned.source)
        reference = workshop.build("hello").artifact.engine
        if offered is None:
            workshop.check(reference is None, "hello", "engine() is None: it needs no engine", reference)
        else:
            workshop.check(reference is not None, "hello", f"it is an {EngineProgram.__name__}", reference)

    def _refused(self, workshop: Workshop, path: Path, promise: str) -> CapsuleError:
        from capsule.build.pipeline import build

        try:
            build(workshop.plan(path), progress=lambda message: None)
        except CapsuleError as error:
            return error
        except Exception as error:
            pytest.fail(f"{promise}, with a BuildError; found {type(error).__name__}: {error}", pytrace=False)
        pytest.fail(f"{promise}; it was built", pytrace=False)

    # Outcomes

    def test_the_outcome_has_the_shape_of_every_language(self, workshop: Workshop) -> None:
        envelope = workshop.run("hello")
        workshop.check(envelope.get("result") == "hello", "hello", PROGRAMS["hello"], envelope)
        assert envelope["success"] is True
        assert envelope["error"] is None
        assert set(envelope.keys()) >= {"success", "result", "error", "execution"}
        execution = envelope.execution
        assert execution["task_name"] == "main"
        assert execution["retries"] == 0
        assert execution["duration_ms"] >= 0
        workshop.check(execution["fuel_consumed"] > 0, "hello", "its instructions are counted", execution)
        assert json.loads(json.dumps(envelope)) == envelope

    def test_arguments_arrive_as_they_were_sent(self, workshop: Workshop) -> None:
        for args in ([], [1], ["a", 2, 3.5, True, None, [1, {"k": "v"}]], VALUES):
            found = workshop.result("arguments", args)
            held = isinstance(found, dict) and found.get("args") == args
            workshop.check(held, "arguments", f"called with {args}, it returns them as args", found)

    def test_named_arguments_arrive_under_their_names(self, workshop: Workshop) -> None:
        workshop.require("arguments")
        workshop.require("named arguments")
        sent = {"name": "Ada", "count": 3}
        found = workshop.result("arguments", [1], sent)
        held = isinstance(found, dict) and (found.get("args"), found.get("kwargs")) == ([1], sent)
        workshop.check(
            held, "arguments", f"called with 1 and {sent}, it returns them as args and kwargs", found
        )

    def test_an_error_is_an_outcome_with_its_message_after_its_retries(self, workshop: Workshop) -> None:
        envelope = workshop.run("error")
        error = workshop.fails("error", envelope, "task_error")
        workshop.check("no soup for 42" in error["message"], "error", "its message arrives", error)
        workshop.check(envelope.execution["retries"] == 1, "error", "it is tried twice", envelope.execution)

    def test_an_error_names_its_line(self, workshop: Workshop) -> None:
        path = workshop.require("error")
        workshop.require("lines")
        lines = path.read_text("utf-8").splitlines()
        marked = [number for number, line in enumerate(lines, 1) if "HERE" in line]
        workshop.check(len(marked) == 1, "error", "one line has the word HERE", f"lines {marked}")
        traceback = str(workshop.fails("error", workshop.run("error"), "task_error").get("traceback"))
        place = re.compile(rf'{re.escape(path.name)}(:|", line ){marked[0]}\b')
        promise = f"its traceback says {path.name}:{marked[0]}"
        workshop.check(place.search(traceback) is not None, "error", promise, traceback)

    def test_a_task_that_is_not_declared_is_not_run(self, workshop: Workshop) -> None:
        from capsule.api import run_sync

        try:
            envelope = run_sync(workshop.require("hello"), task="nowhere", cwd=workshop.folder)
        except CapsuleError:
            return
        workshop.fails("hello", envelope, "invalid_call")

    def test_sub_tasks_give_their_outcomes(self, workshop: Workshop) -> None:
        found = workshop.result("subtask")
        held = isinstance(found, dict) and _result(found.get("sum")) == 42
        workshop.check(held, "subtask", "`sum` is what add(19, 23) gave: 42", found)
        failed = found.get("failed")
        kind = failed["error"]["error_type"] if _is_envelope(failed) else failed
        workshop.check(kind == "task_error", "subtask", "`failed` is a task_error", failed)

    def test_sub_tasks_run_side_by_side_and_keep_their_order(self, workshop: Workshop) -> None:
        found = workshop.result("map")
        squares = [_result(one) for one in found] if isinstance(found, list) else found
        workshop.check(squares == [n * n for n in range(8)], "map", "it returns the squares in order", found)

    # Files, environment, network: only as granted

    def test_files_are_reached_only_as_granted(self, workshop: Workshop) -> None:
        workshop.require("files")
        (workshop.folder / "data").mkdir(exist_ok=True)
        (workshop.folder / "out").mkdir(exist_ok=True)
        (workshop.folder / "data/in.txt").write_text("read me")
        (workshop.folder / "secret.txt").write_text("not for you")
        (workshop.folder / "out/out.txt").unlink(missing_ok=True)
        found = workshop.result("files")
        written = workshop.folder / "out/out.txt"
        text = written.read_text() if written.is_file() else None
        workshop.check(text == "READ ME", "files", "it writes data/in.txt in capitals to out/out.txt", text)
        workshop.check(found["secret"] is None, "files", "a file outside its folders can't be read", found)
        workshop.check(found["written"] is False, "files", "a read-only folder can't be written", found)
        assert not (workshop.folder / "data/new.txt").exists()

    def test_the_environment_is_seen_only_as_granted(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workshop.require("env")
        monkeypatch.setenv("GREETING", "good day")
        monkeypatch.setenv("SECRET", "not for you")
        found = workshop.result("env")
        expected = {"granted": "good day", "other": None}
        workshop.check(found == expected, "env", f"it returns {expected}", found)

    def test_hosts_are_reached_only_as_granted(self, workshop: Workshop) -> None:
        workshop.require("http")
        with serving() as server:
            found = workshop.result("http", [f"{server.url}/granted"])
            workshop.check(server.asked == ["GET /granted"], "http", "its request arrives", server.asked)
            expected = {"status": 200, "body": ANSWER}
            workshop.check(found == expected, "http", f"it returns {expected}", found)
            denied = workshop.run("http", [f"{server.url}/denied"], task="denied")
            promise = "a host that a task doesn't declare isn't reached"
            workshop.check(len(server.asked) == 1, "http", promise, server.asked)
            workshop.check(ANSWER not in json.dumps(denied), "http", promise, denied)

    # Limits

    def test_an_endless_loop_ends_at_its_deadline(self, workshop: Workshop) -> None:
        envelope = workshop.run("loop")
        workshop.fails("loop", envelope, "timeout")
        took = envelope.execution["duration_ms"]
        workshop.check(took < 20_000, "loop", "a deadline of 1 s is one", f"{took} ms")

    def test_an_endless_loop_ends_when_its_fuel_is_used_up(self, workshop: Workshop) -> None:
        workshop.fails("loop", workshop.run("loop", task="fuel"), "out_of_fuel")

    def test_memory_ends_at_what_the_task_declares(self, workshop: Workshop) -> None:
        workshop.fails("memory", workshop.run("memory"), "out_of_memory")


def _is_envelope(value: Any) -> bool:
    return isinstance(value, dict) and {"success", "result", "error", "execution"} <= value.keys()


def _result(value: Any) -> Any:
    return value["result"] if _is_envelope(value) else value
