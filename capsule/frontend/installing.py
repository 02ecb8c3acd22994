"""What to type so that a distribution gets installed beside this host: one place for every hint.

capsule's own distributions are on no package index: another project's `capsule-run` is. So the line for
one of them names where it lies: the checkout or the folder of wheels that this host was installed from.
Other distributions are named as they are.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOST = "capsule-run"

FOLDERS = {
    HOST: ".",
    "capsule-cache": "cache",
    "capsule-python": "plugins/capsule-python",
    "capsule-js": "plugins/capsule-js",
    "capsule-c": "plugins/capsule-c",
    "capsule-wat": "plugins/capsule-wat",
}
"""Where capsule's own distributions lie in a checkout."""

RECOMMENDED = ("capsule-python", "capsule-js")
"""The frontends to install when there is none."""


def install_line(*distributions: str, upgrade: bool = False, again: bool = False) -> str:
    """The command that installs these distributions, or upgrades them, or puts them in order ``again``.

    A distribution may have extras, as in ``capsule-run[testing]``. The command installs into this
    interpreter's environment wherever it is typed.
    """
    words = [*installer()]
    if upgrade:
        words.append("--upgrade")
    if again:
        words.append("--force-reinstall")
    sources = [_source(distribution) for distribution in distributions]
    line = shlex.join([*words, *(word for source in sources for word in source.words)])
    if words[0] != "uv" and not _has_pip():
        line = f"{shlex.join([*python(), '-m', 'ensurepip'])} && {line}"
    if any(source.somewhere for source in sources):
        return f"{line}  # in a checkout of capsule: it is on no package index"
    checkout = _checkout()
    if upgrade and checkout is not None and distributions[0] in FOLDERS:
        return f"git -C {shlex.quote(str(checkout))} pull && {line}"
    return line


def installer() -> Sequence[str]:
    """The words that a command for installing into this environment begins with: pip's, or uv's."""
    if _has_pip() or shutil.which("uv") is None:
        return (*python(), "-m", "pip", "install")
    if _activated():
        return ("uv", "pip", "install")
    return ("uv", "pip", "install", "--python", sys.prefix)


def program(name: str) -> str:
    """The word that starts a program of this environment: its name where a shell finds it, else its path."""
    return name if _activated() else str(Path(sys.executable).parent / name)


def _has_pip() -> bool:
    from importlib.util import find_spec

    return find_spec("pip") is not None


def python() -> Sequence[str]:
    """The words that start this interpreter: ``python`` where that is what a shell would find."""
    return ("python",) if _activated() else (sys.executable,)


def _activated() -> bool:
    """Whether the shell that started us finds this environment's programs by their names.

    ``uv run`` makes it so for the process that it starts, and not for the shell.
    """
    if os.environ.get("UV_RUN_RECURSION_DEPTH"):
        return False
    found = shutil.which("python")
    return found is not None and Path(found).parent == Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class _Source:
    """The words for one distribution; ``somewhere`` means that it has yet to be found."""

    words: tuple[str, ...]
    somewhere: bool = False


def _source(distribution: str) -> _Source:
    name, bracket, extras = distribution.partition("[")
    if name not in FOLDERS:
        return _Source((distribution,))
    wheels, root = _wheels(), _checkout()
    if wheels is not None:
        found = sorted(wheels.glob(f"{name.replace('-', '_')}-*.whl"))
        if found:
            return _Source((str(found[-1]) + bracket + extras,))
    if root is None:
        return _Source(("-e", f"./{FOLDERS[name]}{bracket}{extras}"), somewhere=True)
    return _Source(("-e", str(root / FOLDERS[name]) + bracket + extras))


@lru_cache(maxsize=1)
def _origin() -> Path | None:
    """The folder or the wheel on this machine that the host was installed from."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(HOST).read_text("direct_url.json")
        url = urlsplit(json.loads(text or "{}").get("url", ""))
    except (PackageNotFoundError, ValueError, AttributeError, OSError):
        return None
    path = Path(unquote(url.path))
    return path if url.scheme == "file" and url.path and path.exists() else None


def _checkout() -> Path | None:
    """The checkout that the host was installed from, with all its distributions."""
    origin = _origin()
    here = origin is not None and (origin / FOLDERS["capsule-python"] / "pyproject.toml").is_file()
    return origin if here else None


def _wheels() -> Path | None:
    """The folder with the wheel that the host was installed from."""
    origin = _origin()
    return origin.parent if origin is not None and origin.suffix == ".whl" else None
