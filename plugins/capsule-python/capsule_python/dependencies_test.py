from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError, ConfigError
from capsule.frontend.spec import Source
from capsule_python.dependencies import (
    Dependencies,
    check_settings,
    named_dependencies,
    normalized,
    where_to_write,
)
from capsule_python.tree import FilesTree

INLINE = """# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "six",
# ]
# ///
"""
PYPROJECT = '[project]\nname = "x"\ndependencies = ["attrs"]\n'


def named(source: str | bytes = "", pyproject: str | None = None, **settings: object) -> Dependencies:
    content = source if isinstance(source, bytes) else source.encode()
    files: Mapping[str, bytes] = {} if pyproject is None else {"pyproject.toml": pyproject.encode()}
    return named_dependencies(Source(Path("/p/main.py"), Path("/p"), settings), content, FilesTree(files))


def test_inline_metadata_comes_before_capsule_toml_before_pyproject() -> None:
    everything = named(INLINE, PYPROJECT, dependencies=["idna"])
    assert everything.requirements == ("six",)
    assert str(everything.origin) == "main.py:1"
    configured = named("", PYPROJECT, dependencies=["idna"])
    assert (configured.requirements, configured.origin.file) == (("idna",), "capsule.toml")
    project = named("", PYPROJECT)
    assert (project.requirements, project.origin.file) == (("attrs",), "pyproject.toml")
    assert (project.of_project, configured.of_project, everything.of_project) == (True, False, False)
    assert named().requirements == ()


def test_an_empty_list_names_no_packages_and_still_counts() -> None:
    assert named("", PYPROJECT, dependencies=[]).requirements == ()
    assert named(INLINE.replace('#   "six",\n', ""), PYPROJECT).requirements == ()


def test_inline_metadata_without_dependencies_leaves_them_to_others() -> None:
    assert named("# /// script\n# requires-python = '>=3.11'\n# ///\n", PYPROJECT).requirements == ("attrs",)


def test_the_order_and_spelling_of_a_list_do_not_matter() -> None:
    assert named(dependencies=["b", " a ", "b"]) == named(dependencies=["a", "b"])


def test_what_starts_sandboxes_is_not_installed_into_them() -> None:
    assert named(dependencies=["capsule-run[python]>=0.9", "capsule_python", "six"]).requirements == ("six",)


def test_a_block_that_is_not_closed_or_not_a_script_block_is_a_comment() -> None:
    assert named("# /// script\n# dependencies = ['six']\nx = 1\n# ///").requirements == ()
    assert named("# /// other\n# dependencies = ['six']\n# ///").requirements == ()


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("# /// script\n# dependencies = [\n# ///", {}, r"^main\.py:1: no valid TOML"),
        ("# /// script\n# dependencies = 'six'\n# ///", {}, r"^main\.py:1: dependencies is not a list"),
        (INLINE + "x = 1\n" + INLINE, {}, r"^main\.py:8: two `# /// script` blocks"),
        ("# /// script\n# requires-python = '<3.14'\n# ///", {}, r"requires Python <3\.14, and sandboxes"),
        ("# /// script\n# requires-python = 'x'\n# ///", {}, "requires-python can't be read"),
        ("", {"dependencies": "six"}, r"^capsule\.toml: \[python\] dependencies is not a list"),
        ("", {"dependencies": [1]}, "is not a list of strings"),
        ("", {"dependencies": ["-r /etc/passwd"]}, "no requirement"),
        ("", {"dependencies": ["--index-url=x"]}, "no requirement"),
        ("", {"dependencies": ["six\n--index-url x"]}, "no requirement"),
        ("", {"dependencies": [""]}, "no requirement"),
        ("", {"dependencies": ["./local"]}, "no requirement"),
        ("", {"dependencies": ["six"] * 501}, "more than 500"),
    ],
)
def test_what_is_no_list_of_requirements_is_an_error_with_its_file(
    source: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(BuildError, match=message):
        named(source, **settings)


def test_a_broken_pyproject_is_an_error_with_its_name() -> None:
    with pytest.raises(BuildError, match=r"^pyproject\.toml: no valid TOML"):
        named("", "[project")


def test_an_unknown_setting_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'dependencies'"):
        check_settings({"dependancies": []})


@given(st.binary() | st.text().map(lambda text: ("# /// script\n# " + text + "\n# ///").encode()))
def test_any_source_names_dependencies_or_is_an_error_of_the_build(content: bytes) -> None:
    try:
        found = named(content)
    except BuildError:
        return
    assert all("\n" not in requirement for requirement in found.requirements)


def test_names_are_compared_as_indexes_do() -> None:
    assert normalized("Foo__bar.baz") == "foo-bar-baz"


BLOCK = '# /// script\n# dependencies = ["{}"]\n# ///'


@pytest.mark.parametrize(
    ("text", "settings", "of_project", "said"),
    [
        ("import yaml\n", {}, False, f"write at the top of main.py:\n{BLOCK}"),
        ("import yaml\n", {}, True, 'add "{}" to [project] dependencies in pyproject.toml'),
        (INLINE, {}, False, 'add "{}" to the dependencies at main.py:1'),
        ("import yaml\n", {"dependencies": []}, False, 'add "{}" to [python] dependencies in capsule.toml'),
    ],
)
def test_a_missing_package_is_to_be_written_where_the_program_has_its_list(
    text: str, settings: dict[str, Any], of_project: bool, said: str
) -> None:
    source = Source(Path("/p/main.py"), Path("/p"), settings)
    assert where_to_write(source, text.encode(), of_project=of_project) == f"if it is a package, {said}"
