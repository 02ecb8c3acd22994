import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capsule.errors import Location, PolicyError
from capsule.policy.grants import MAX_ENTRIES, parse_env, parse_files, parse_hosts, parse_path
from capsule.policy.model import FileGrant
from capsule.policy.problems_test import anything


@pytest.mark.parametrize(
    ("written", "grants"),
    [
        ([], ()),
        (["./data"], (FileGrant("data", True),)),
        (["data//in/./x/"], (FileGrant("data/in/x", True),)),
        (["."], (FileGrant(".", True),)),
        (["./"], (FileGrant(".", True),)),
        (["a b/ü"], (FileGrant("a b/ü", True),)),
        (["...", "..a"], (FileGrant("...", True), FileGrant("..a", True))),
        ([{"path": "a"}], (FileGrant("a", True),)),
        ([{"path": "a", "mode": "rw"}], (FileGrant("a", True),)),
        ([{"path": "a", "mode": "read-write"}], (FileGrant("a", True),)),
        ([{"path": "a", "mode": "ro"}], (FileGrant("a", False),)),
        ([{"path": "a", "mode": "read-only"}, "b"], (FileGrant("a", False), FileGrant("b", True))),
        (["a", "./a/"], (FileGrant("a", True),)),
        (("a",), (FileGrant("a", True),)),
    ],
)
def test_folders_are_read_relative_with_forward_slashes_and_a_mode(written: object, grants: object) -> None:
    assert parse_files(written, "allowed_files") == grants


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc",
        "//etc",
        "..",
        "../x",
        "a/..",
        "a/../b",
        "./../x",
        "a\\b",
        "..\\x",
        "C:",
        "c:/x",
        "C:\\x",
        "./C:/x",
        "~",
        "~/x",
        "~root/x",
        "a\0b",
        "a\nb",
        "a\x1b[0m",
        "\ud800",
        "\u202ea",
        "a" * 5000,
        "../" * 5000,
        1,
        None,
        True,
        ["a"],
        b"a",
    ],
)
def test_a_path_that_could_leave_the_project_or_confuse_is_refused(path: object) -> None:
    with pytest.raises(PolicyError):
        parse_path(path, "allowed_files")
    with pytest.raises(PolicyError):
        parse_files([{"path": path, "mode": "ro"}], "allowed_files")


@pytest.mark.parametrize(
    "written",
    [
        "./data",
        None,
        {},
        {"path": "a"},
        1,
        [None],
        [1],
        [[]],
        [{}],
        [{"path": "a", "mode": "w"}],
        [{"path": "a", "mode": None}],
        [{"path": "a", "mode": ["ro"]}],
        [{"path": "a", "Mode": "ro"}],
        [{"path": "a", "mode": "RO"}],
        [{"mode": "ro"}],
        ["a"] * (MAX_ENTRIES + 1),
    ],
)
def test_what_is_not_a_list_of_folders_is_refused(written: object) -> None:
    with pytest.raises(PolicyError):
        parse_files(written, "allowed_files")


def test_a_folder_with_two_modes_is_refused() -> None:
    with pytest.raises(PolicyError, match="two modes"):
        parse_files(["a", {"path": "./a", "mode": "ro"}], "allowed_files")


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("*", "*"),
        ("*:443", "*:443"),
        ("api.openai.com", "api.openai.com"),
        ("API.OpenAI.com.", "api.openai.com"),
        ("*.anthropic.com", "*.anthropic.com"),
        ("*.Example.com:8443", "*.example.com:8443"),
        ("api.x.com:8443", "api.x.com:8443"),
        ("localhost", "localhost"),
        ("my_service:80", "my_service:80"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.1:8080", "10.0.0.1:8080"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:8080", "[::1]:8080"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("1e100.net", "1e100.net"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
    ],
)
def test_hosts_come_in_one_canonical_form(written: object, pattern: object) -> None:
    assert parse_hosts([written], "allowed_hosts") == (pattern,)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "..",
        ".com",
        "a..b",
        "a.com..",
        "http://a.com",
        "a.com/",
        "a.com/x",
        "//a.com",
        "user@a.com",
        "a b",
        " a.com",
        "a.com ",
        "a.com\n",
        "a\0b",
        "a.com:",
        "a.com:0",
        "a.com:65536",
        "a.com:080",
        "a.com:x",
        "a.com:-1",
        "a:1:2",
        "**",
        "*.",
        "*.*",
        "*.*.com",
        "a.*",
        "a.*.com",
        "*a.com",
        "a*.com",
        "*.1.2.3.4",
        "*.[::1]",
        "-a.com",
        "a-.com",
        "a" * 64 + ".com",
        "a." * 140 + "com",
        "a%2ecom",
        "a\\b",
        "a?b",
        "a#b",
        "a,b",
        "é" * 300,
        "127.1",
        "127.0.0.01",
        "127.0.0.256",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "1.2.3.4.5",
        "a.1",
        "1.0x",
        "[::1",
        "::1]",
        "[]",
        "[::1]x",
        "[::1]:",
        "[::1]:0",
        "[fe80::1%eth0]",
        "fe80::1%1",
        "[127.0.0.1]",
        "[g::]",
        "a℀b.com",
        "\ud800.com",
        "xn--\u200d.com",
        None,
        1,
        True,
        [],
        {},
        b"a.com",
    ],
)
def test_what_is_not_a_host_is_refused(host: object) -> None:
    with pytest.raises(PolicyError):
        parse_hosts([host], "allowed_hosts")


@pytest.mark.parametrize("written", ["*", "a.com", None, {}, 1, ["a.com"] * (MAX_ENTRIES + 1)])
def test_what_is_not_a_list_of_hosts_is_refused(written: object) -> None:
    with pytest.raises(PolicyError):
        parse_hosts(written, "allowed_hosts")


def test_environment_variables_are_names_kept_once() -> None:
    assert parse_env(["API_KEY", "_x1", "API_KEY"], "env_variables") == ("API_KEY", "_x1")


@pytest.mark.parametrize(
    "written",
    [
        "API_KEY",
        None,
        {},
        [""],
        ["1A"],
        ["A-B"],
        ["A B"],
        ["A=B"],
        ["A\n"],
        ["*"],
        ["Ä"],
        ["A\0"],
        [1],
        [None],
        [True],
        ["A" * 256],
    ],
)
def test_what_is_not_a_list_of_variable_names_is_refused(written: object) -> None:
    with pytest.raises(PolicyError):
        parse_env(written, "env_variables")


def test_a_refusal_shows_the_entry_that_is_wrong_and_where() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_hosts(["a.com", "http://b.com"], "allowed_hosts", Location("main.py", 4))
    assert str(caught.value).startswith("main.py:4: allowed_hosts = 'http://b.com': a host has no scheme")


hosts = st.text("aZ0159.-_:*[]/xfé。", max_size=20) | st.ip_addresses().map(str)
paths = st.text("ab./\\~:Cé \n", max_size=15)


@settings(deadline=None)
@given(anything | st.lists(hosts, max_size=3))
@example(["[::1]:80"])
def test_any_value_gives_canonical_hosts_or_a_policy_error(value: object) -> None:
    try:
        patterns = parse_hosts(value, "allowed_hosts")
    except PolicyError:
        return
    assert parse_hosts(patterns, "allowed_hosts") == patterns
    assert all(pattern.isascii() and pattern == pattern.lower() for pattern in patterns)


@settings(deadline=None)
@given(anything | st.lists(paths | st.fixed_dictionaries({"path": paths}), max_size=3))
def test_any_value_gives_folders_in_the_project_or_a_policy_error(value: object) -> None:
    try:
        grants = parse_files(value, "allowed_files")
    except PolicyError:
        return
    for grant in grants:
        assert not grant.path.startswith("/")
        assert not {"..", ""} & set(grant.path.split("/"))
        assert grant.path.isprintable()
        assert parse_path(grant.path, "allowed_files") == grant.path


@settings(deadline=None)
@given(anything | st.lists(st.text("aZ_0-= é", max_size=4), max_size=3))
def test_any_value_gives_variable_names_or_a_policy_error(value: object) -> None:
    try:
        names = parse_env(value, "env_variables")
    except PolicyError:
        return
    assert all(name.isascii() and name.isidentifier() for name in names)


@pytest.mark.parametrize(
    ("entry", "form"),
    [
        ("./data:ro", '{"path": "./data", "mode": "read-only"}'),
        ("data:read-only", '{"path": "data", "mode": "read-only"}'),
        ("./out:rw", '{"path": "./out", "mode": "read-write"}'),
    ],
)
def test_a_mode_behind_the_path_is_told_the_right_form(entry: str, form: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_files([entry], "allowed_files")
    assert caught.value.hint == f"write {form}"
