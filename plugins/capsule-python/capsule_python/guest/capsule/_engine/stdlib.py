"""The standard library inside the snapshot.

A snapshot only holds what was read while it was made. The modules that programs use most are
imported then, which costs a sandbox nothing; the code of all others is kept compressed, and imported
when a program asks for it.
"""

# Paths here are the import system's own text.
# ruff: noqa: PTH118, PTH120, PTH123, PTH206

from __future__ import annotations

import importlib
import marshal
import os
import sys
import types
import zlib
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec

ROOT = "/python"
"""Where the standard library lies while the snapshot is made."""

PREIMPORTED = tuple(
    """
    abc argparse array ast asyncio base64 bisect calendar cmath codecs collections.abc
    concurrent.futures concurrent.futures.thread configparser contextlib contextvars copy copyreg csv
    dataclasses datetime decimal difflib dis email email.message email.mime.multipart email.mime.text
    email.parser email.policy encodings.ascii encodings.idna encodings.latin_1 encodings.utf_8_sig enum
    errno filecmp fnmatch fractions functools gc getpass gettext glob graphlib gzip hashlib heapq hmac
    html html.entities html.parser http http.client http.cookiejar http.cookies http.server imaplib
    importlib.metadata importlib.resources importlib.util inspect io ipaddress itertools json keyword
    linecache locale logging logging.config logging.handlers math mimetypes numbers opcode operator
    optparse os os.path pathlib pickle pkgutil platform pprint queue quopri random re reprlib sched
    secrets select selectors shelve shlex shutil signal socket socketserver sqlite3 ssl stat statistics
    string string.templatelib stringprep struct subprocess symtable tarfile tempfile textwrap threading
    time timeit token tokenize tomllib traceback types typing unicodedata unittest urllib.error
    urllib.parse urllib.request urllib.response urllib.robotparser uuid warnings wave weakref
    xml.dom.minidom xml.etree.ElementTree xml.sax zipfile zipimport zlib zoneinfo
    """.split()  # noqa: SIM905 - 130 quoted strings are harder to read
)
_LEFT_OUT = frozenset({"test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages"})

LOADED_NAMES: frozenset[str] = frozenset(sys.stdlib_module_names) - {
    # Python has these before it looks at any program, so a program's module of that name is never found.
    "sys", "builtins", "importlib", "_frozen_importlib", "_imp", "marshal", "os", "types", "abc", "io",
    "codecs", "encodings", "stat", "posixpath", "genericpath",
}  # fmt: skip

_kept: dict[str, tuple[bool, bytes]] = {}


class Loader(InspectLoader):
    """Loads a kept module of the standard library."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leaves the module to importlib."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Runs the module's top level."""
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 - this is what a loader does

    def get_code(self, fullname: str) -> types.CodeType:
        """The module's code object."""
        code: types.CodeType = marshal.loads(zlib.decompress(_kept[fullname][1]))  # noqa: S302 - our own
        return code

    def get_source(self, fullname: str) -> None:
        """None: the snapshot keeps no source of the standard library."""

    def is_package(self, fullname: str) -> bool:
        """Whether the module is a package."""
        return _kept[fullname][0]


class Finder(MetaPathFinder):
    """Finds the kept modules of the standard library by name."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of a kept module, or None."""
        if fullname not in _kept:
            return None
        is_package = _kept[fullname][0]
        file = f"{ROOT}/{fullname.replace('.', '/')}" + ("/__init__.py" if is_package else ".py")
        spec = ModuleSpec(fullname, Loader(), origin=file, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(file)]
        return spec


def keep() -> None:
    """Imports what is used most, and keeps the code of everything else.

    Compiling comes first: the snapshot holds the whole heap, and importing fills what compiling leaves.
    """
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name not in _LEFT_OUT)
        for file in sorted(files):
            if file.endswith(".py"):
                _keep_file(os.path.join(folder, file))
    for name in PREIMPORTED:
        importlib.import_module(name)
    for name in list(_kept.keys() & sys.modules.keys()):
        del _kept[name]
    sys.meta_path.append(Finder())


def _keep_file(path: str) -> None:
    parts = os.path.relpath(path, ROOT)[: -len(".py")].split(os.sep)
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    if not name or name in sys.modules:
        return
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        # Templates and tests of broken sources lie in the same tree.
        return
    _kept[name] = (is_package, zlib.compress(marshal.dumps(code), 9))
