"""Traps in the place of inputs: pipes, devices, links out, bombs, and names that are something else."""

from __future__ import annotations

import os

from repositories.making import PYTHON, WAT, C, Repository, trap


@trap("tasks", "explain", "run", "build", "trace", "stat")
def settings_that_are_a_pipe(made: Repository) -> None:
    """Opening it would wait for ever."""
    made.write("main.py", PYTHON)
    made.pipe("capsule.toml")


@trap("tasks", "run", "stat")
def settings_that_are_a_device(made: Repository) -> None:
    """Reading it would never end."""
    made.write("main.py", PYTHON)
    made.link("capsule.toml", "/dev/zero")


@trap("tasks", "run", "trace", "stat")
def settings_that_are_a_file_of_the_operator(made: Repository) -> None:
    """An error about it must not quote it."""
    made.write("main.py", PYTHON)
    made.link("capsule.toml", made.operator.home / ".aws/credentials")
    made.link("pyproject.toml", made.operator.home / ".netrc")
    made.link(".env", made.operator.home / ".env")


@trap("tasks", "run", "build")
def modules_that_are_links_out(made: Repository) -> None:
    """Files and folders that are imported, and lie with the operator."""
    made.write("main.py", "import bashrc, folder, up.secret\n" + PYTHON)
    made.link("bashrc.py", made.operator.home / ".bashrc")
    made.link("folder", made.operator.home)
    made.link("up", made.operator.outside)
    (made.operator.outside / "secret.py").write_text("x = 1\n")


@trap("tasks", "run")
def pipes_and_devices_in_the_place_of_modules(made: Repository) -> None:
    """Each would take for ever, or all memory."""
    made.write("main.py", "import a\nimport b\nimport c\n" + PYTHON)
    made.pipe("a.py")
    made.link("b.py", "/dev/zero")
    made.link("c.py", "/proc/self/environ")
    made.pipe("pyproject.toml")
    made.pipe(".env")


@trap("build", "affected", "stat")
def members_that_are_links_out(made: Repository) -> None:
    """Members of a workspace that lie with the operator."""
    made.workspace()
    made.write("capsule.toml", '[workspace]\nmembers = ["*/main.wat", "*/.bashrc", "../home/*", "/etc/*"]\n')
    made.link("three", made.operator.home)
    (made.root / "four").mkdir()
    made.link("four/main.wat", made.operator.home / ".bashrc")


@trap("affected", "stat")
def patterns_with_many_any_depths(made: Repository) -> None:
    """Looking for members has to end."""
    pattern = "/".join(["**", "*"] * 12)
    made.write("capsule.toml", f'[workspace]\nmembers = ["{pattern}/main.py", "**/**/**/x/**/y"]\n')
    for number in range(100):
        made.write(f"{'/'.join('abcdefghijkl')}/{number}/x.py")
    made.link("a/loop", "..")


@trap("tasks", "explain", "stat")
def settings_that_are_bombs(made: Repository) -> None:
    """Nesting, long keys and numbers, names that are escapes."""
    made.write("main.py", PYTHON)
    made.write(
        "capsule.toml",
        "[tasks]\nx = " + "[" * 20_000 + "]" * 20_000 + "\n[limits]\nram = " + "9" * 5_000 + "\n"
        '["\\u001b]0;x\\u0007"]\n' + ".".join(["a"] * 5_000) + " = 1\n",
    )


@trap("tasks", "run")
def types_that_are_bombs(made: Repository) -> None:
    """Annotations from which a schema is made: nested, recursive, and of very many alternatives."""
    nested = "list[" * 90 + "int" + "]" * 90
    wide = " | ".join(f"tuple[int, str, float, list[A{number}]]" for number in range(300))
    classes = "".join(f"@dataclass\nclass A{n}:\n    x: 'A{n + 1} | A{n + 2}'\n" for n in range(300))
    made.write(
        "main.py",
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom capsule import task\n"
        f'{classes}\n@task(name="main")\ndef main(a: {nested} = None, b: {wide} = None, c: A0 = None):\n'
        "    return 1\n",
    )


@trap("tasks", "run", "build", file="main.c")
def c_that_includes_files_of_the_host(made: Repository) -> None:
    """By absolute paths, upwards, through links, and as data."""
    home = made.operator.home
    made.link("link.h", home / ".bashrc")
    made.write(
        "main.c",
        f'#include "/etc/passwd"\n#include "../home/.env"\n#include "link.h"\n#include <{home}/.env>\n'
        f'static const char x[] = {{\n#embed "{home}/.ssh/id_rsa"\n}};\n'
        '__asm__(".incbin \\"/etc/passwd\\"");\n' + C,
    )


@trap("tasks", "build", file="main.c")
def c_that_hides_what_it_includes(made: Repository) -> None:
    """Names that macros make, options in comments, sources that are patterns out of the repository."""
    made.write(
        "main.c",
        '// capsule: sources = ["../home/*.c", "/etc/*", "lib/**"]\n// capsule: include = ["/etc", ".."]\n'
        "#define S(x) #x\n#define F(x) S(x)\n#include F(/etc/passwd)\n"
        '#pragma clang __debug dump\n#define X "../home/.bashrc"\n#include X\n' + C,
    )
    made.link("lib/a.c", made.operator.home / ".bashrc")


@trap("tasks", "run", "build", file="main.wat")
def a_text_component_that_is_a_bomb(made: Repository) -> None:
    """Nesting and memory without end."""
    made.write(
        "main.wat",
        WAT.replace("(component)", "(component (core module (memory 65536) (data (i32.const 0) ")
        + '"'
        + "x" * 100_000
        + '"))'
        + "(core module (func "
        + "(block " * 30_000
        + ")" * 30_002
        + ")",
    )


@trap("tasks", "run", "stat")
def names_that_forge_lines(made: Repository) -> None:
    """Names of tasks and files with line breaks and escapes."""
    made.write(
        "main.py",
        'from capsule import task\n\n@task(name="main\\nerror: forged\\x1b[2J")\ndef main():\n    return 1\n',
    )
    for name in ("x\nerror: forged.py", "\x1b[2J.py", os.fsdecode(b"\xff.py")):
        (made.root / name).write_text("")
