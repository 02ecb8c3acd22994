"""Which packages a program names, and where.

The first of these that names any counts: inline script metadata in the source (PEP 723), then
``[python] dependencies`` in ``capsule.toml``, then ``[project] dependencies`` in the nearest
``pyproject.toml`` at or above the source, up to the project root.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from capsule.errors import BuildError, ConfigError, Location
from capsule.frontend.spec import Json, Source
from capsule_python.tree import Tree

MAX_REQUIREMENTS = 500
_MAX_LENGTH = 1000

_OWN = frozenset({"capsule-run", "capsule-python", "capsule-js", "capsule-cache"})
"""What a project needs to start sandboxes, and no sandbox needs."""

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:$|[\[<>=!~;@( ,])")
_SETTINGS = ("dependencies", "paths")
MAX_PATHS = 100


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Requirements as written (PEP 508), sorted. ``origin`` is the file that has them.

    ``of_project`` is True when they are those of the whole project, not of this program.
    """

    requirements: tuple[str, ...]
    origin: Location
    of_project: bool = False
    root: Path | None = None
    """The project's folder: no settings in it count for an installer."""


def named_dependencies(source: Source, content: bytes, tree: Tree) -> Dependencies:
    """The requirements of a source. Raises `BuildError` where they can't be read."""
    inline = inline_dependencies(source.name, content)
    if inline is not None:
        return replace(inline, root=source.root)
    if "dependencies" in source.settings:
        origin = Location("capsule.toml")
        return Dependencies(
            _checked(source.settings["dependencies"], origin, "[python] dependencies"),
            origin,
            root=source.root,
        )
    name, text = _nearest("pyproject.toml", source.name, tree)
    origin = Location(name)
    project = _toml(text, origin).get("project") if text else None
    listed = project.get("dependencies", []) if isinstance(project, dict) else []
    return Dependencies(
        _checked(listed, origin, "[project] dependencies"), origin, of_project=True, root=source.root
    )


def where_to_write(source: Source, content: bytes, *, of_project: bool) -> str:
    """What to do about a module that isn't there, with ``{}`` for its distribution.

    ``of_project`` is whether the program has packages that the project's own list names.
    """
    inline = inline_dependencies(source.name, content)
    if inline is not None:
        return f'if it is a package, add "{{}}" to the dependencies at {inline.origin}'
    if "dependencies" in source.settings:
        return 'if it is a package, add "{}" to [python] dependencies in capsule.toml'
    if of_project:
        return 'if it is a package, add "{}" to [project] dependencies in pyproject.toml'
    block = '# /// script\n# dependencies = ["{}"]\n# ///'
    return f"if it is a package, write at the top of {source.name}:\n{block}"


def normalized(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def check_settings(settings: Mapping[str, Json]) -> None:
    """Raises `ConfigError` for a key of ``[python]`` that doesn't exist."""
    for key in settings:
        if key not in _SETTINGS:
            import difflib

            near = difflib.get_close_matches(key, _SETTINGS, 1) or list(_SETTINGS)
            raise ConfigError(
                f"[python] has no setting {key!r}",
                hint=f"did you mean {near[0]!r}?",
                location=Location("capsule.toml"),
            )


def search_paths(settings: Mapping[str, Json]) -> tuple[str, ...]:
    """``[python] paths``: folders relative to the project root in which modules are looked up, too.

    Raises `ConfigError` for what is no list of such folders.
    """
    listed = settings.get("paths", [])
    if not isinstance(listed, list) or len(listed) > MAX_PATHS or not all(map(_is_inside, listed)):
        raise ConfigError(
            "[python] paths is not a list of folders in the project",
            hint='write paths = ["libs"]; they start at the project root, with forward slashes',
            location=Location("capsule.toml"),
        )
    return tuple("/".join(part for part in path.split("/") if part not in ("", ".")) for path in listed)


def _is_inside(path: Json) -> bool:
    return (
        isinstance(path, str)
        and 0 < len(path) <= _MAX_LENGTH
        and path.isprintable()
        and "\\" not in path
        and not path.startswith(("/", "~"))
        and ".." not in path.split("/")
    )


def _nearest(file: str, source: str, tree: Tree) -> tuple[str, bytes | None]:
    """The nearest such file at or above a source, and what it says; the root's when there is none."""
    folder = source.rpartition("/")[0]
    while folder:
        text = tree.read(f"{folder}/{file}", owned=True)
        if text is not None:
            return f"{folder}/{file}", text
        folder = folder.rpartition("/")[0]
    return file, tree.read(file, owned=True)


def inline_dependencies(name: str, content: bytes) -> Dependencies | None:
    """The dependencies in the ``# /// script`` block of a source, None without one that names any."""
    if b"# ///" not in content:
        return None
    lines = content.decode("utf-8", "replace").splitlines()
    blocks = []
    number = 0
    while number < len(lines):
        if lines[number].rstrip() == "# /// script":
            block = _block(lines, number + 1)
            if block is not None:
                blocks.append((number + 1, block))
                number += len(block)
        number += 1
    if not blocks:
        return None
    if len(blocks) > 1:
        raise BuildError(
            "two `# /// script` blocks",
            hint="keep one of them",
            location=Location(name, blocks[1][0]),
        )
    line, block = blocks[0]
    origin = Location(name, line)
    metadata = _toml("\n".join(text[2:] for text in block).encode(), origin)
    wanted = metadata.get("requires-python")
    if isinstance(wanted, str):
        _check_python(wanted, origin)
    if "dependencies" not in metadata:
        return None
    return Dependencies(_checked(metadata["dependencies"], origin, "dependencies"), origin)


def _block(lines: list[str], start: int) -> list[str] | None:
    """The lines of a block up to its last closing line, None when nothing closes it."""
    comments = []
    for line in lines[start:]:
        if line.rstrip() != "#" and not line.startswith("# "):
            break
        comments.append(line)
    closing = [index for index, line in enumerate(comments) if line.rstrip() == "# ///"]
    return comments[: closing[-1]] if closing else None


def _check_python(wanted: str, origin: Location) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    from capsule_python.syntax import GUEST_PYTHON

    version = ".".join(map(str, GUEST_PYTHON))
    try:
        fits = SpecifierSet(wanted).contains(f"{version}.0")
    except InvalidSpecifier:
        raise BuildError(f"requires-python can't be read: {wanted!r}", location=origin) from None
    if not fits:
        raise BuildError(
            f"requires Python {wanted}, and sandboxes have Python {version}",
            hint=f"let requires-python admit {version}",
            location=origin,
        )


def _toml(text: bytes, origin: Location) -> dict[str, Json]:
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise BuildError(f"no valid TOML: {error}", location=origin) from None


def _checked(listed: Json, origin: Location, what: str) -> tuple[str, ...]:
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise BuildError(
            f"{what} is not a list of strings",
            hint='write dependencies = ["requests>=2", "jinja2"]',
            location=origin,
        )
    if len(listed) > MAX_REQUIREMENTS:
        raise BuildError(f"{what} has more than {MAX_REQUIREMENTS} entries", location=origin)
    requirements = set()
    for text in listed:
        match = _NAME.match(text)
        if match is None or len(text) > _MAX_LENGTH or not (text.isascii() and text.isprintable()):
            raise BuildError(
                f"{what} has something that is no requirement: {text[:100]!r}",
                hint='write a name and perhaps versions, for example "requests>=2"',
                location=origin,
            )
        if normalized(match[1]) not in _OWN:
            requirements.add(text.strip())
    return tuple(sorted(requirements))
