import hashlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError, ConfigError
from capsule.frontend.process import ToolLimits
from capsule.frontend.spec import Source
from capsule_c import compile as compiling
from capsule_c import toolchain
from capsule_c.compile import compile_program, read_files
from capsule_c.discovery import discover_tasks
from capsule_c.frontend import CFrontend
from capsule_c.sources import Program

pytestmark = pytest.mark.slow

START = "#include <capsule.h>\n"
TASK = "CAPSULE_TASK(main) { return capsule_return(1); }\n"


def build(project, host, files, name="main.c"):
    project.write(files)
    frontend, source = CFrontend(), project.source(name)
    inputs = frontend.inputs(source, host)
    frontend.discover(source, inputs, host)
    return frontend.compile(source, inputs, host, snapshot=False).wasm


def refused(project, host, text, *says, line=None, files=None):
    with pytest.raises(BuildError) as caught:
        build(project, host, {"main.c": text, **(files or {})})
    shown = f"{caught.value} {caught.value.traceback}"
    for words in says:
        assert words in shown
    assert "capsule-c-" not in shown, "the private folder in which it was compiled"
    if line is not None:
        assert str(caught.value.location) == f"main.c:{line}"
    return caught.value


def unread(host, files):
    """Compiles files that nobody has looked through for what they include."""
    program = Program(("main.c",), (), {name: content.encode() for name, content in files.items()})
    return compile_program(program, discover_tasks({"main.c": program.files["main.c"]}), host)


def test_the_same_files_give_the_same_bytes_in_any_folder(project, host, tmp_path):
    files = {
        "main.c": f'// capsule: sources = ["lib/*.c"]\n{START}#include <stdio.h>\n'
        'CAPSULE_TASK(main) { printf("%s", __FILE__); return capsule_return(__FILE__); }\n',
        "lib/a.c": "int a(void) { return 1; }\n",
    }
    first = build(project, host, files)
    elsewhere = type(project)(tmp_path / "another" / "place")
    elsewhere.root.mkdir(parents=True)
    assert hashlib.sha256(build(elsewhere, host, files)).digest() == hashlib.sha256(first).digest()
    assert str(project.root).encode() not in first


def test_the_time_of_the_build_can_not_get_into_a_program(project, host):
    refused(project, host, f"{START}const char *t = __DATE__ __TIME__;\n{TASK}", "not reproducible", line=2)


def test_errors_of_the_compiler_have_file_and_line(project, host):
    refused(project, host, f"{START}{TASK}\nint f(void) {{ return nothing; }}", "nothing", line=4)
    error = refused(project, host, f'{START}#include "a.h"\n{TASK}', "expected", files={"a.h": "\nint x\n"})
    assert str(error.location) == "a.h:2"


def test_an_error_of_a_header_of_the_toolchain_is_where_it_is_included(project, host):
    error = refused(
        project, host, f'{START}#include "a.h"\n{TASK}', "Setjmp", files={"a.h": "\n#include <setjmp.h>\n"}
    )
    assert str(error.location) == "a.h:2"


def test_a_socket_is_none_of_the_functions_that_are_there(project, host):
    text = f"""{START}#include <sys/socket.h>
    CAPSULE_TASK(main) {{ return capsule_return((int)send(1, "x", 1, 0)); }}"""
    refused(project, host, text, "not there: wasi_snapshot_preview1 sock_send")


def test_a_header_that_is_nowhere_is_named(project, host):
    refused(project, host, f'{START}#include "nowhere.h"\n{TASK}', "nowhere.h", line=2)


def test_a_task_without_a_result_does_not_compile(project, host):
    refused(project, host, f"{START}CAPSULE_TASK(main) {{ }}", "return", line=2)


def test_a_program_without_a_task_is_told_how_to_write_one(project, host):
    error = refused(project, host, "int main(void) { return 0; }", "no task")
    assert "CAPSULE_TASK(main" in error.hint


def test_a_task_that_is_not_compiled_is_named_with_its_line(project, host):
    refused(
        project,
        host,
        f"{START}{TASK}#if 0\nCAPSULE_TASK(off) {{ }}\n#endif\n",
        "'off'",
        "not compiled",
        line=4,
    )


def test_a_function_that_nothing_defines_is_named(project, host):
    text = f"{START}int nowhere(void);\nCAPSULE_TASK(main) {{ return capsule_return(nowhere()); }}"
    error = refused(project, host, text, "nothing defines nowhere")
    assert "capsule: sources" in error.hint


def test_a_function_that_is_defined_twice_is_named(project, host):
    text = f'// capsule: sources = ["b.c"]\n{START}int twice(void) {{ return 1; }}\n{TASK}'
    refused(project, host, text, "twice", files={"b.c": "int twice(void) { return 2; }"})


def test_an_import_that_the_host_lacks_is_named(project, host):
    text = f"""{START}__attribute__((import_module("wasi:sockets/tcp@0.2.12"), import_name("x"))) int x(void);
    CAPSULE_TASK(main) {{ return capsule_return(x()); }}"""
    refused(project, host, text, "wasi:sockets/tcp@0.2.12 x")


def test_the_compiler_is_given_up_after_its_time(project, host, monkeypatch):
    monkeypatch.setattr("capsule_c.compile.COMPILE_SECONDS", 0.001)
    refused(project, host, START + TASK, "took longer")


def test_a_setting_that_is_not_there_is_an_error(project, host):
    project.write({"main.c": TASK})
    with pytest.raises(ConfigError, match="flags"):
        CFrontend().inputs(Source(project.root / "main.c", project.root, {"flags": "-O9"}), host)


SECRET = "root:x:0"

ATTACKS = {
    "an absolute path": '#include "/etc/passwd"',
    "a header's name": "#include </etc/passwd>",
    "data": 'const char p[] = {\n#embed "/etc/passwd"\n};',
    "a name that is made": '#define P "/etc/passwd"\n#include P',
    "data by a name that is made": '#define P "/etc/passwd"\nconst char p[] = {\n#embed P\n};',
    "dots": '#include "../../../../../../../../../../etc/passwd"',
    "dots in a header's name": "#include <../../../../../../../../../../../../../../etc/passwd>",
    "splices": '#inc\\\nlude "/et\\\nc/passwd"',
    "digraphs": '%:include "/etc/passwd"',
    "import": '#import "/etc/passwd"',
    "assembly": '__asm__(".incbin \\"/etc/passwd\\"");',
    "assembly in parts": '__asm__(".inc" "bin \\"/etc/passwd\\"");',
    "assembly in a function": 'void f(void) { __asm__ volatile(".include \\"/etc/passwd\\""); }',
    "a pragma": '#pragma include_alias("a.h", "/etc/passwd")\n#include "a.h"',
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_file_of_the_machine_gets_into_a_program_or_its_errors(project, host, attack):
    """First as a user's project, then past the reader of includes: what the compiler read is checked too."""
    text = f"{START}{attack}\n{TASK}"
    error = refused(project, host, text)
    assert SECRET not in f"{error} {error.traceback}"
    with pytest.raises(BuildError) as caught:
        unread(host, {"main.c": text})
    assert SECRET not in f"{caught.value} {caught.value.traceback}"


def test_empty_assembly_may_order_memory(project, host):
    build(project, host, {"main.c": f'{START}void f(void) {{ __asm__ volatile("" ::: "memory"); }}\n{TASK}'})


@given(
    st.lists(
        st.text(
            st.characters(codec="ascii", exclude_characters="\\\n\r\t\v\f\x00\x1c\x1d\x1e\x1f:"), min_size=1
        ),
        min_size=1,
    )
)
def test_lists_of_dependencies_read_back(names):
    text = "main.o:" + "".join(
        " \\\n  " + name.replace("$", "$$").replace(" ", "\\ ").replace("#", "\\#") for name in names
    )
    assert list(read_files(text + "\n")) == names


@pytest.mark.parametrize(
    "hungry",
    [
        "#define A(x) x x x x x x x x\n#define B(x) A(A(A(A(x))))\nint f(void) { B(B(B(+1;))) return 0; }\n",
        "char large[1u << 31] = {1};\n",
    ],
    ids=["macros", "array"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep the limit")
def test_a_program_can_not_make_the_compiler_take_the_machine_s_memory(project, host, monkeypatch, hungry):
    monkeypatch.setattr(toolchain, "LIMITS", ToolLimits(memory=400 << 20, file=256 << 20))
    error = refused(project, host, f"{START}{TASK}{hungry}", "the compiler took more than")
    assert str(error.location) == "main.c"


def test_a_program_can_not_make_the_compiler_fill_the_disk(project, host, monkeypatch):
    monkeypatch.setattr(toolchain, "LIMITS", ToolLimits(memory=2 << 30, file=20 << 20))
    large = "char large[30u << 20] = {1};\n"
    refused(project, host, f"{START}{TASK}{large}", "wrote more than 20 MiB")


def test_a_program_that_compiles_for_too_long_is_an_error_at_it(project, host, monkeypatch):
    monkeypatch.setattr(compiling, "COMPILE_SECONDS", 1.0)
    # Eight to the seventh additions, one by one.
    slow = "#define A(x) x x x x x x x x\n#define B(x) A(A(A(x)))\n"
    slow += "int f(int n) { B(B(A(n ^= n * 3;))) return n; }\n"
    error = refused(project, host, f"{START}{TASK}{slow}", "took longer than 1 seconds")
    assert str(error.location) == "main.c"
