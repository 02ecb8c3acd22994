import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.policy.meet import common_files, common_hosts, common_names
from capsule.policy.model import FileGrant


def grants(*written: str) -> tuple[FileGrant, ...]:
    return tuple(FileGrant(item.partition(":")[0], not item.endswith(":ro")) for item in written)


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        (["data"], ["data"], ["data"]),
        (["data/in"], ["data"], ["data/in"]),
        (["data"], ["data/in"], ["data/in"]),
        (["data"], ["database"], []),
        (["database"], ["data"], []),
        (["data"], ["other"], []),
        (["."], ["data"], ["data"]),
        (["data"], ["."], ["data"]),
        (["data"], ["data:ro"], ["data:ro"]),
        (["data:ro"], ["data"], ["data:ro"]),
        (["."], ["data:ro", "out"], ["data:ro", "out"]),
        (["data"], ["data:ro", "data/out"], ["data:ro", "data/out"]),
        (["data"], ["data", "data/secret:ro"], ["data"]),
        (["data", "data/x"], ["."], ["data", "data/x"]),
        (["data:ro", "data/x"], ["."], ["data:ro", "data/x"]),
        (["a", "b"], ["b", "c"], ["b"]),
        (["a"], [], []),
        ([], ["a"], []),
    ],
)
def test_folders_are_narrowed_to_what_both_lists_allow(
    first: list[str], second: list[str], common: list[str]
) -> None:
    assert common_files(grants(*first), grants(*second)) == grants(*common)


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        (["a.com"], ["a.com"], ["a.com"]),
        (["a.com"], ["b.com"], []),
        (["a.com"], ["*"], ["a.com"]),
        (["*"], ["a.com", "*.b.com"], ["a.com", "*.b.com"]),
        (["*"], ["*"], ["*"]),
        (["x.a.com"], ["*.a.com"], ["x.a.com"]),
        (["*.a.com"], ["x.a.com"], ["x.a.com"]),
        (["*.x.a.com"], ["*.a.com"], ["*.x.a.com"]),
        (["a.com"], ["*.a.com"], []),
        (["x.a.com"], ["a.com"], []),
        (["nota.com"], ["*.a.com"], []),
        (["*.nota.com"], ["*.a.com"], []),
        (["a.com"], ["a.com:443"], ["a.com:443"]),
        (["a.com:443"], ["a.com"], ["a.com:443"]),
        (["a.com:443"], ["a.com:80"], []),
        (["*.a.com:8080"], ["x.a.com"], ["x.a.com:8080"]),
        (["*"], ["a.com:443"], ["a.com:443"]),
        (["*:443"], ["a.com"], ["a.com:443"]),
        (["*:443"], ["*"], ["*:443"]),
        (["*:443", "a.com"], ["*:80"], ["a.com:80"]),
        (["*:443"], ["localhost"], []),
        (["[2606:4700::1]:443"], ["[2606:4700::1]"], ["[2606:4700::1]:443"]),
        (["[2606:4700::1]"], ["[2606:4700::1]:443"], ["[2606:4700::1]:443"]),
        (["web1", "1e100.net"], ["*"], ["web1", "1e100.net"]),
    ],
)
def test_hosts_are_narrowed_to_what_both_lists_allow(
    first: list[str], second: list[str], common: list[str]
) -> None:
    assert common_hosts(tuple(first), tuple(second)) == tuple(common)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "x.localhost",
        "*.localhost",
        "127.0.0.1",
        "127.0.0.1:80",
        "10.1.2.3",
        "8.8.8.8",
        "[2606:4700::1]:443",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::1]:80",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:808:808]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    ],
)
def test_a_ceiling_of_any_host_admits_no_address_and_not_this_machine(host: str) -> None:
    assert common_hosts((host,), ("*",)) == ()
    assert common_hosts(("*",), (host,)) == ()
    assert common_hosts((host,), (host, "*")) == (host,)


def test_names_in_both_lists_keep_the_order_of_the_first() -> None:
    assert common_names(("C", "A", "B"), ("A", "B", "D")) == ("A", "B")


paths = st.sampled_from([".", "a", "a/b", "a/b/c", "ab", "b", "b/c"])
files = st.lists(st.builds(FileGrant, paths, st.booleans()), max_size=4, unique_by=lambda grant: grant.path)
hosts = st.lists(
    st.sampled_from(
        ["*", "a.com", "x.a.com", "*.a.com", "*.x.a.com", "a.com:1", "*.a.com:1", "localhost", "10.0.0.1"]
    ),
    max_size=4,
    unique=True,
)


def may_write(grants: tuple[FileGrant, ...], path: str) -> tuple[bool, bool]:
    """Whether a path can be read, and written."""
    above = [g for g in grants if g.path == "." or path == g.path or path.startswith(g.path + "/")]
    return bool(above), any(g.writable for g in above)


@settings(deadline=None)
@given(files.map(tuple), files.map(tuple), paths.filter(lambda path: path != "."))
def test_a_path_is_allowed_exactly_when_both_lists_allow_it(
    first: tuple[FileGrant, ...], second: tuple[FileGrant, ...], path: str
) -> None:
    for probe in (path, path + "/below"):
        one, other = may_write(first, probe), may_write(second, probe)
        assert may_write(common_files(first, second), probe) == (one[0] and other[0], one[1] and other[1])


@settings(deadline=None)
@given(hosts.map(tuple), hosts.map(tuple))
def test_common_hosts_lie_within_both_lists_whichever_comes_first(
    first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    common = common_hosts(first, second)
    assert common_hosts(common, first) == common
    assert common_hosts(common, second) == common
    other_way = common_hosts(second, first)
    assert common_hosts(common, other_way) == common
    assert common_hosts(other_way, common) == other_way
