"""The programs beside this file, in real sandboxes: what C tasks are promised, from end to end."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@contextmanager
def listening():
    """A server that sends back what it was sent, and says on the path ``/`` who asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self):
            self.answer(f"asked {self.headers['X-Asked']}".encode())

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "text/x-echo")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def failed(envelope):
    assert not envelope.success, envelope
    return envelope.error["error_type"]


def test_hello(project):
    assert project.program("hello.c").unwrap() == "hello"


VALUES = [
    None,
    True,
    -1,
    2**63,
    -(2**63),
    1.5e-7,
    "",
    "é中😀\x00\u2028",
    [],
    {},
    {"a": [1, {"b": None}]},
    2**53 + 1,
]


def test_arguments_of_every_kind_come_and_go_unchanged(project):
    envelope = project.program("arguments.c", *VALUES)
    assert envelope.unwrap() == {"args": VALUES, "kwargs": {}}


def test_arguments_by_name(project):
    assert project.program("arguments.c", kwargs={"name": {"a": 1}}).unwrap()["kwargs"] == {"name": {"a": 1}}


@pytest.mark.parametrize("args", [(3, 1.5, "tea", True), ("3", "1.5", "tea", "true")])
def test_typed_arguments_may_be_text_as_the_command_line_gives_it(project, args):
    expected = {"count": 3, "total": 4.5, "what": "tea", "paid": True}
    assert project.program("typed.c", *args).unwrap() == expected


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "argument 1: expected an integer of 64 bits, got nothing"),
        ((1.5, 1, "x", True), "argument 1: expected an integer of 64 bits"),
        ((2**63, 1, "x", True), "argument 1: expected an integer of 64 bits"),
        ((1, "1x", "x", True), "argument 2: expected a number, got string"),
        ((1, 1, 5, True), "argument 3: expected a string"),
        ((1, 1, "x", 1), "argument 4: expected true or false"),
    ],
)
def test_an_argument_of_another_type_is_an_invalid_call(project, args, says):
    envelope = project.program("typed.c", *args)
    assert failed(envelope) == "invalid_call"
    assert says in envelope.error["message"]


def test_an_error_has_its_message_and_its_place(project):
    envelope = project.program("error.c")
    assert failed(envelope) == "task_error"
    assert envelope.error["message"] == "no soup for 42"
    line = 1 + (project.root / "error.c").read_text()[
        : (project.root / "error.c").read_text().index("no %s")
    ].count("\n")
    assert f"error.c:{line}" in envelope.error["traceback"]


def test_an_assertion_that_fails_says_where_and_ends_the_task(project):
    said = []
    envelope = project.program(
        "ends.c", task="asserts", on_output=lambda stream, text: said.append((stream, text))
    )
    assert failed(envelope) == "exit"
    assert "134" in envelope.error["message"]
    text = "".join(part for stream, part in said if stream == "stderr")
    assert "capsule_arg_count() == 12" in text
    assert "ends.c" in text


@pytest.mark.parametrize("code", [0, 3, 255])
def test_exit_is_an_outcome(project, code):
    envelope = project.program("ends.c", code, task="exits")
    assert failed(envelope) == "exit"
    assert str(code) in envelope.error["message"]


def test_a_trap_is_a_crash(project):
    assert failed(project.program("ends.c", task="traps")) == "crash"


def test_calls_that_nest_too_deeply_are_a_stack_overflow(project):
    assert failed(project.program("ends.c", task="overflows", limits={"compute": "HIGH"})) == "stack_overflow"


@pytest.mark.parametrize("args", [(), (1,)])
def test_a_result_that_is_no_json_is_a_task_error(project, args):
    envelope = project.program("ends.c", *args, task="unwritable")
    assert failed(envelope) == "task_error"
    assert "can't be written as JSON" in envelope.error["message"]


def test_sub_tasks_return_fail_and_are_refused(project):
    assert project.program("subtask.c").unwrap() == {
        "sum": 42,
        "failed": "task_error",
        "message": "as it should",
        "refused": "no task named 'nowhere' is declared",
    }


def test_a_map_keeps_its_order(project):
    assert project.program("map.c").unwrap() == [n * n for n in range(8)]


def test_files_work_as_in_any_c(project):
    (project.root / "out").mkdir()
    result = project.program("more_files.c", task="everything").unwrap()
    counted = {
        "written": 3_000_000,
        "read": 3_000_000,
        "entries": 300,
        "dots": 2,
        "log": "line 0\nline 1\nline 2\n",
    }
    assert {name: result.pop(name) for name in counted} == counted
    assert set(result.values()) == {1}, result
    assert (project.root / "out/log.txt").read_text() == "Line 0\nline 1\nline 2\n"


def test_nothing_else_is_reached(project, tmp_path):
    project.write({"data/in.txt": "x", "secret.txt": "secret"})
    (tmp_path / "secret.txt").write_text("secret")
    (project.root / "data/link").symlink_to(tmp_path / "secret.txt")
    assert project.program("more_files.c", task="outside").unwrap() == ["refused"] * 8
    assert (project.root / "data/in.txt").read_text() == "x"


def test_only_granted_variables_are_there(project):
    project.write({"settings.env": "GREETING=hello\nSECRET=s3cret\n"})
    envelope = project.program("env.c", env_file=project.root / "settings.env")
    assert envelope.unwrap() == {"granted": "hello", "other": None}


def test_http_requests_of_granted_hosts(project):
    with listening() as url:
        assert project.program("http.c", url).unwrap() == {"status": 200, "body": "asked from C"}
        assert project.program("echo.c", url, task="echo").unwrap() == {
            "status": 200,
            "size": 4,
            "same": 1,
            "type": "text/x-echo",
            "absent": None,
        }
        envelope = project.program("http.c", url, task="denied")
        assert failed(envelope) == "task_error"
        assert envelope.error["message"].startswith("denied: ")


def test_a_loop_ends_with_its_deadline_or_its_fuel(project):
    assert failed(project.program("loop.c")) == "timeout"
    assert failed(project.program("loop.c", task="fuel")) == "out_of_fuel"


def test_memory_that_is_refused_ends_the_task_and_says_so(project):
    envelope = project.program("memory.c")
    assert failed(envelope) == "out_of_memory"
    assert "memory.c:" in envelope.error["message"]


def test_a_program_that_asks_is_told_that_there_is_no_memory(project):
    assert project.program("asks.c").unwrap() is True


def test_all_that_is_printed_arrives_in_order(project):
    said = []
    project.program("output.c", on_output=lambda stream, text: said.append((stream, text))).unwrap()
    out = "".join(text for stream, text in said if stream == "stdout")
    assert out == "".join(f"line {n}\n" for n in range(20_000)) + "without an end"
    assert "".join(text for stream, text in said if stream == "stderr") == "to stderr\n"


def test_what_was_printed_before_a_task_hung_arrives(project):
    said = []
    envelope = project.program("output.c", task="hangs", on_output=lambda stream, text: said.append(text))
    assert failed(envelope) == "timeout"
    assert "".join(said) == "before it hangs\n"


def test_clocks_random_numbers_and_an_empty_stdin(project):
    result = project.program("output.c", task="clocks").unwrap()
    assert result.pop("now") > 1_700_000_000
    assert set(result.values()) == {True}, result


def test_c_plus_plus_with_its_library(project):
    text = """
    #include <capsule.h>
    #include <algorithm>
    #include <string>
    #include <vector>
    CAPSULE_TASK(main) {
        std::vector<int> v{3, 1, 2};
        std::sort(v.begin(), v.end());
        std::string s = "sorted";
        capsule_value *list = capsule_array(v[0], v[1], 2.5, true, nullptr);
        return capsule_return(capsule_object("text", s.c_str(), "list", list));
    }
    """
    assert project.run(text, file="main.cpp").unwrap() == {"text": "sorted", "list": [1, 2, 2.5, True, None]}


def test_values_are_looked_into_looped_over_and_changed(project):
    assert project.program("json.c").unwrap() == {
        "items": 7,
        "at": [-20, 10, 3.5, 10, "x", True],
        "behind the end": None,
        "types": ["uint", "sint", "real", "string", "true", "null", "object"],
        "pairs": [["a", True], ["b", False], ["b", False]],
        "first of two": 1,
        "put": {"a": [10, -20, 3.5, "x", True, None, {}], "b": 3, "c": []},
        "NULL is nothing": None,
        "twice": [[1, 2, [1, 2]], [1]],
        "into itself": [1, 2, [1, 2]],
        "scattered": [1, 2, 3, None],
        "grown": [2, [], 4],
    }


def test_an_item_of_a_list_of_numbers_is_found_at_once(project):
    assert project.program("json.c", task="many").unwrap() == sum(range(300_000))


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_programs_written_with_the_names_of_yyjson_go_on_working(project, language):
    text = (Path(__file__).parent / "programs/old_names.c").read_text()
    given = {"numbers": [1, 2, -10], "text": "x"}
    assert project.run(text, given, file=f"main.{language}").unwrap() == {
        "sum": 2**64 - 6,
        "text": "x",
        "keys": ["numbers", True, "text", False],
        "again": [1, 2, -10],
        "null": None,
        "written": True,
        "real": 1.5,
        "document": '"root"',
    }


def test_a_program_that_brings_its_own_yyjson_gets_that(project):
    project.write({"lib/yyjson.h": "#define MINE 7\n"})
    text = """
    // capsule: include = ["lib"]
    #include <capsule.h>
    #include <yyjson.h>
    CAPSULE_TASK(main) { return capsule_return(MINE); }
    """
    assert project.run(text).unwrap() == 7
