"""A new frontend plugin: the files of ``capsule/templates/frontend``, under another name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from capsule.errors import UsageError

TEMPLATE = Path(__file__).parent.parent / "templates" / "frontend"

SUFFIX = ".in"
"""What the template's files have behind their names, so that no tool takes them for the host's own."""

PLACEHOLDER, CLASS_PLACEHOLDER = "mylang", "MyLang"

_NAME = re.compile(r"[a-z][a-z0-9]{0,39}")

TAKEN = {
    # Their tables in capsule.toml are the host's own.
    "workflow",
    "tasks",
    "limits",
    "cache",
    "workspace",
    # Their distributions are ours.
    "run",
    "python",
    "js",
    "c",
    "wat",
    "wasm",
}


def check_name(name: str) -> None:
    """Raises `UsageError` for a name that can't be a package, a suffix and a table at once."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:60]!r} can't be a frontend's name: it takes small letters and digits, a letter first",
            hint="capsule plugin new mylang",
        )
    if name in TAKEN:
        raise UsageError(f"the name {name!r} is taken", hint="capsule plugin new mylang")


def write_skeleton(name: str, folder: Path) -> tuple[Path, ...]:
    """Writes a plugin for a language of this name into ``folder``, which is made; gives the files.

    Raises `UsageError` for a name that can't be used, and for a folder that has something in it, or can't
    be written: nothing is ever overwritten.
    """
    check_name(name)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} is there already",
                hint=f"capsule plugin new {name} --folder another-folder",
            )
        written = []
        for path, text in _files(name):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            # "x": whoever makes the same folder at the same time keeps what is theirs.
            with target.open("x", encoding="utf-8") as file:
                file.write(text)
            written.append(target)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror or error}") from None
    return tuple(written)


def _files(name: str) -> Iterator[tuple[str, str]]:
    for source in sorted(TEMPLATE.rglob("*" + SUFFIX)):
        path = source.relative_to(TEMPLATE).as_posix().removesuffix(SUFFIX)
        yield _named(path, name), _named(source.read_text("utf-8"), name)


def _named(text: str, name: str) -> str:
    return text.replace(PLACEHOLDER, name).replace(CLASS_PLACEHOLDER, name.capitalize())
