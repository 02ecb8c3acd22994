"""Patterns find what they name, nothing else, and end on whatever somebody wrote."""

from __future__ import annotations

import fnmatch
import os
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capsule.errors import PolicyError
from capsule.frontend.patterns import (
    MAX_ALTERNATIVES,
    Budget,
    TooMuch,
    covers,
    expand_braces,
    find,
    is_skipped,
    parse_patterns,
)

PART = st.text(alphabet="ab*?.[]", min_size=1, max_size=3).filter(lambda part: part not in (".", ".."))
NAMES = st.sampled_from(["a", "b", "ab", "a.b", ".a", "node_modules", "c"])


@given(st.text(alphabet="ab{},*/", max_size=30))
@example("{a,b}/{c,d}")
@example("a{b,{c,d}}e")
@example("}{")
@example("{a,}" * 20)
def test_braces_stand_for_their_alternatives_or_are_refused(text):
    try:
        expanded = expand_braces(text)
    except ValueError:
        return
    assert 0 < len(expanded) <= MAX_ALTERNATIVES
    assert not any(brace in alternative for alternative in expanded for brace in "{}")
    if "{" not in text:
        assert expanded == (text,)


def test_braces_keep_the_order_in_which_they_were_written():
    assert expand_braces("x/{a,b}.{py,ts}") == ("x/a.py", "x/a.ts", "x/b.py", "x/b.ts")


@given(st.one_of(st.text(), st.lists(st.text(), max_size=3), st.integers(), st.none()))
def test_whatever_is_no_list_of_patterns_is_refused_and_nothing_else_happens(value):
    try:
        patterns = parse_patterns(value, "members")
    except PolicyError:
        return
    assert list(patterns) == value


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for folder in ("a/b/c", "b/a", ".hidden/a", "node_modules/a", "a/.b", "ab", "a/node_modules/b"):
        (root / folder).mkdir(parents=True)
    for file in ("a/x.py", "a/b/x.py", "a/b/c/x.ts", "b/a/x.py", ".hidden/a/x.py", "node_modules/a/x.py"):
        (root / file).touch()
    return root


def _everything(root):
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not is_skipped(name)]
        for name in (*folders, *(name for name in files if not is_skipped(name))):
            yield os.path.relpath(f"{folder}/{name}", root)


@settings(deadline=None)
@given(
    parts=st.lists(
        st.one_of(PART, st.just("**"), NAMES, st.sampled_from(["*", "x.*"])), min_size=1, max_size=4
    )
)
@example(["**", "x.py"])
@example(["a", "**"])
@example(["**", "**", "x.ts"])
def test_what_is_found_is_what_the_parts_match_one_by_one(tree, parts):
    found = {one.path.relative_to(tree).as_posix() for one in find(tree, "/".join(parts))}

    def matches(path, wanted):
        if not wanted:
            return not path
        if wanted[0] == "**":
            rest = wanted[1:] or ["*"]
            return any(matches(path[start:], rest) for start in range(len(path) + 1))
        return bool(path) and fnmatch.fnmatchcase(path[0], wanted[0]) and matches(path[1:], wanted[1:])

    assert found == {path for path in _everything(tree) if matches(path.split("/"), parts)}


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("services/old", "services/old/main.py", True),
        ("services/old", "services/older/main.py", False),
        ("**/old", "a/b/old/main.py", True),
        ("**/main.ts", "a/main.ts", True),
        ("**/main.ts", "a/main.py", False),
        ("services/**", "services/a/main.py", True),
        ("*", "anything/main.py", True),
        ("{a,b}/x", "b/x/main.py", True),
    ],
)
def test_an_exclusion_covers_what_it_names_and_what_lies_in_it(pattern, path, covered):
    assert covers(pattern, path) is covered


def test_many_any_depths_end_as_soon_as_one(tmp_path):
    """Each ``**`` used to be followed on its own: twenty of them had no end."""
    (tmp_path / "/".join("abcdefghijkl")[:21]).mkdir(parents=True)
    (tmp_path / "a/b/c/main.py").touch()
    pattern = "/".join(["**", "*"] * 20)
    started = time.monotonic()
    assert list(find(tmp_path, pattern)) == []
    assert not covers("/".join(["**", "*"] * 30 + ["x"]), "/".join("abcdefghij" * 5))
    assert [one.path.name for one in find(tmp_path, "**/**/**/**/**/**/**/main.py")] == ["main.py"]
    assert time.monotonic() - started < 1


def test_more_steps_than_a_list_may_take_are_an_error(tmp_path):
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    budget = Budget(60)
    assert not list(find(tmp_path, "**/x", budget))
    with pytest.raises(TooMuch, match="look at more"):
        list(find(tmp_path, "**/x", budget))
    with pytest.raises(TooMuch):
        covers("**/x", "/".join("abcdefghij" * 10), Budget(30))


def test_braces_of_a_whole_list_are_bounded():
    many = "{" + ",".join("abcdefghij" * 30) + "}x"
    with pytest.raises(PolicyError, match="stand for more"):
        parse_patterns([f"{many[:-1]}{number}" for number in range(500)], "members")


def test_a_link_out_of_the_folder_is_found_and_not_followed(tmp_path):
    root = tmp_path / "root"
    (tmp_path / "outside/inner").mkdir(parents=True)
    (tmp_path / "outside/inner/main.py").touch()
    root.mkdir()
    (root / "out").symlink_to("../outside")
    (root / "all").symlink_to("/")
    found = {one.path.relative_to(root).as_posix() for one in find(root, "*/**/main.py")}
    assert found == {"out", "all"}
