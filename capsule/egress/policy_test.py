from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.egress.policy import AllowList, Target, parse_url, special_kind
from capsule.egress.wire import RequestFailure
from capsule.errors import PolicyError
from capsule.policy.grants import parse_hosts

ANY = ("*",)

# (allowed_hosts, url, "allowed" | the reason of the failure)
CASES = [
    # an exact host, and nothing else
    (("api.example.com",), "https://api.example.com/v1", "allowed"),
    (("api.example.com",), "http://api.example.com/v1", "allowed"),
    (("api.example.com",), "https://api.example.com:8443/", "allowed"),
    (("api.example.com",), "https://API.Example.COM/", "allowed"),
    (("API.example.com",), "https://api.example.com/", "allowed"),
    (("api.example.com",), "https://api.example.com./", "allowed"),
    (("api.example.com.",), "https://api.example.com/", "allowed"),
    (("api.example.com",), "https://x.api.example.com/", "denied"),
    (("api.example.com",), "https://example.com/", "denied"),
    (("api.example.com",), "https://xapi.example.com/", "denied"),
    (("api.example.com",), "https://api.example.com.evil.com/", "denied"),
    (("api.example.com",), "https://api.example.comx/", "denied"),
    (("api.example.com",), "https://api-example.com/", "denied"),
    (("a.com", "b.com"), "https://b.com", "allowed"),
    ((), "https://example.com/", "denied"),
    # sub-domains, at any depth, without their parent
    (("*.example.com",), "https://a.example.com/", "allowed"),
    (("*.example.com",), "https://a.b.c.example.com/", "allowed"),
    (("*.example.com",), "https://example.com/", "denied"),
    (("*.example.com",), "https://evilexample.com/", "denied"),
    (("*.example.com",), "https://a.example.com.evil.com/", "denied"),
    (("*.example.com", "example.com"), "https://example.com/", "allowed"),
    # ports
    (("api.x.com:8443",), "https://api.x.com:8443/", "allowed"),
    (("api.x.com:8443",), "https://api.x.com/", "denied"),
    (("api.x.com:443",), "https://api.x.com/", "allowed"),
    (("api.x.com:443",), "http://api.x.com/", "denied"),
    (("api.x.com:80",), "http://api.x.com:/", "allowed"),
    (("*.x.com:8443",), "https://a.x.com:8443/", "allowed"),
    (("*.x.com:8443",), "https://a.x.com:8444/", "denied"),
    (("*:443",), "https://anything.org/", "allowed"),
    (("*:443",), "http://anything.org/", "denied"),
    (ANY, "https://example.com:0/", "invalid-request"),
    (ANY, "https://example.com:65536/", "invalid-request"),
    (ANY, "https://example.com:-1/", "invalid-request"),
    (ANY, "https://example.com:8o/", "invalid-request"),
    (ANY, "https://example.com:\u0661/", "invalid-request"),
    (ANY, "https://example.com:80:80/", "invalid-request"),
    # the public internet, and what isn't
    (ANY, "https://example.com/", "allowed"),
    (ANY, "http://93.184.215.14/", "allowed"),
    (ANY, "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", "allowed"),
    (ANY, "http://127.0.0.1/", "denied"),
    (ANY, "http://127.8.9.10:8080/", "denied"),
    (ANY, "http://localhost/", "denied"),
    (ANY, "http://LOCALHOST.:80/", "denied"),
    (ANY, "http://x.localhost/", "denied"),
    (ANY, "http://0.0.0.0/", "denied"),
    (ANY, "http://0/", "denied"),
    (ANY, "http://10.0.0.1/", "denied"),
    (ANY, "http://172.16.0.1/", "denied"),
    (ANY, "http://172.32.0.1/", "allowed"),
    (ANY, "http://192.168.1.1/", "denied"),
    (ANY, "http://100.64.0.1/", "denied"),
    (ANY, "http://169.254.169.254/latest/meta-data/", "denied"),
    (ANY, "http://168.63.129.16/", "denied"),
    (ANY, "http://100.100.100.200/", "denied"),
    (ANY, "http://224.0.0.1/", "denied"),
    (ANY, "http://240.0.0.1/", "denied"),
    (ANY, "http://255.255.255.255/", "denied"),
    (ANY, "http://198.18.0.1/", "denied"),
    (ANY, "http://203.0.113.7/", "denied"),
    (ANY, "http://[::1]/", "denied"),
    (ANY, "http://[::]/", "denied"),
    (ANY, "http://[fe80::1]/", "denied"),
    (ANY, "http://[fd00:ec2::254]/", "denied"),
    (ANY, "http://[fec0::1]/", "denied"),
    (ANY, "http://[ff02::1]/", "denied"),
    (ANY, "http://[2001:db8::1]/", "denied"),
    (ANY, "http://[2001:0:1::1]/", "denied"),
    (ANY, "http://[100::1]/", "denied"),
    # other spellings of an IPv4 address
    (ANY, "http://2130706433/", "denied"),
    (ANY, "http://0x7f000001/", "denied"),
    (ANY, "http://0x7F.1/", "denied"),
    (ANY, "http://017700000001/", "denied"),
    (ANY, "http://0177.0.0.01/", "denied"),
    (ANY, "http://127.1/", "denied"),
    (ANY, "http://127.0.1/", "denied"),
    (ANY, "http://127.0.0.1./", "denied"),
    (ANY, "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "denied"),
    (ANY, "http://127\u30020\uff0e0\uff611/", "denied"),
    (ANY, "http://169.254.43518/", "denied"),
    (("127.0.0.1",), "http://0x7f.1/", "allowed"),
    (("0x7f.1",), "http://127.0.0.1/", "allowed"),
    (ANY, "http://256.1.1.1/", "invalid-request"),
    (ANY, "http://1.2.3.4.5/", "invalid-request"),
    (ANY, "http://1.2.3.08/", "invalid-request"),
    (ANY, "http://4294967296/", "invalid-request"),
    (ANY, "http://1..2/", "invalid-request"),
    (ANY, "http://0x/", "invalid-request"),
    (ANY, "http://example.0x1/", "invalid-request"),
    # IPv6 forms that carry an IPv4 address
    (ANY, "http://[::ffff:127.0.0.1]/", "denied"),
    (ANY, "http://[::ffff:a00:1]/", "denied"),
    (("127.0.0.1",), "http://[::ffff:127.0.0.1]/", "allowed"),
    (ANY, "http://[::127.0.0.1]/", "denied"),
    (ANY, "http://[2002:7f00:1::]/", "denied"),
    (ANY, "http://[2002:a9fe:a9fe::1]/", "denied"),
    (ANY, "http://[2002:5db8:d70e::]/", "allowed"),
    (ANY, "http://[64:ff9b::169.254.169.254]/", "denied"),
    (ANY, "http://[64:ff9b::93.184.215.14]/", "allowed"),
    (ANY, "http://[64:ff9b:1::1]/", "denied"),
    (ANY, "http://[::ffff:0:127.0.0.1]/", "denied"),
    (ANY, "http://[fe80::1%25eth0]/", "invalid-request"),
    (ANY, "http://[fe80::1%eth0]/", "invalid-request"),
    (ANY, "http://[::1/", "invalid-request"),
    (ANY, "http://::1/", "invalid-request"),
    (ANY, "http://[127.0.0.1]/", "invalid-request"),
    (ANY, "http://[v1.x]/", "invalid-request"),
    (ANY, "http://[]/", "invalid-request"),
    (ANY, "http://[::1]x/", "invalid-request"),
    # an address that is named
    (("*", "127.0.0.1:8080"), "http://127.0.0.1:8080/", "allowed"),
    (("*", "127.0.0.1:8080"), "http://127.0.0.1:8081/", "denied"),
    (("*", "127.0.0.1:8080"), "http://127.0.0.2:8080/", "denied"),
    (("*", "127.0.0.1:8080"), "http://localhost:8080/", "denied"),
    (("localhost",), "http://localhost:3000/", "allowed"),
    (("*", "localhost:3000"), "http://localhost:3000/", "allowed"),
    (("*", "localhost:3000"), "http://localhost:3001/", "denied"),
    (("localhost",), "http://127.0.0.1/", "denied"),
    (("*.localhost",), "http://a.localhost/", "denied"),
    (("[::1]:8080",), "http://[::1]:8080/", "allowed"),
    (("[::1]:8080",), "http://[::1]/", "denied"),
    (("::1",), "http://[0:0:0::1]/", "allowed"),
    (("*.0.0.1",), "http://x.com/", PolicyError),
    (("10.0.0.1",), "http://10.0.0.1/", "allowed"),
    # user names, passwords, and other ways to make two readers see two hosts
    (("good.com",), "http://good.com@evil.com/", "invalid-request"),
    (("evil.com",), "http://good.com@evil.com/", "invalid-request"),
    (("good.com",), "http://good.com:pw@evil.com/", "invalid-request"),
    (("good.com",), "http://evil.com#@good.com/", "denied"),
    (("good.com",), "http://evil.com?@good.com/", "denied"),
    (("good.com",), "http://evil.com\\@good.com/", "invalid-request"),
    (("good.com",), "http://good.com\\.evil.com/", "invalid-request"),
    (("good.com",), "http:\\\\good.com/", "invalid-request"),
    (("good.com",), "http://good.com\t.evil.com/", "invalid-request"),
    (("good.com",), "http://good.com\r\nHost: evil.com/", "invalid-request"),
    (("good.com",), "http://good.com/a\r\nX: y", "invalid-request"),
    (("good.com",), "http://good.com\x00.evil.com/", "invalid-request"),
    (("good.com",), "http://good.com /", "invalid-request"),
    (("good.com",), " http://good.com/", "invalid-request"),
    (("good.com",), "http://good.com/ ", "invalid-request"),
    (("good.com",), "http://good%2ecom/", "invalid-request"),
    (ANY, "http://%31%32%37.0.0.1/", "invalid-request"),
    (("good.com",), "http://good.com%00.evil.com/", "invalid-request"),
    (("good.com",), "http://good.com;evil.com/", "invalid-request"),
    (("good.com",), "http://good.com,evil.com/", "invalid-request"),
    (("good.com",), "http://goo\u2100d.com/", "invalid-request"),
    (("good.com",), "http://good\u2024com/", "allowed"),
    (("good.com",), "http://good.com\u2215evil.com/", "denied"),
    # international names
    (("b\u00fccher.example",), "https://xn--bcher-kva.example/", "allowed"),
    (("xn--bcher-kva.example",), "https://B\u00dcCHER.example/", "allowed"),
    (("paypal.com",), "https://p\u0430ypal.com/", "denied"),
    # what isn't an absolute http or https URL
    (ANY, "", "invalid-request"),
    (ANY, "/path", "invalid-request"),
    (ANY, "//example.com/", "invalid-request"),
    (ANY, "example.com", "invalid-request"),
    (ANY, "http:example.com", "invalid-request"),
    (ANY, "http:/example.com", "invalid-request"),
    (ANY, "http:///example.com", "invalid-request"),
    (ANY, "http://", "invalid-request"),
    (ANY, "http://:80/", "invalid-request"),
    (ANY, "http://./", "invalid-request"),
    (ANY, "http://.example.com/", "invalid-request"),
    (ANY, "http://a..example.com/", "invalid-request"),
    (ANY, "http://" + "a" * 64 + ".com/", "invalid-request"),
    (ANY, "http://" + "a." * 130 + "com/", "invalid-request"),
    (ANY, "http://example.com/" + "a" * 20_000, "invalid-request"),
    (ANY, "ftp://example.com/", "invalid-request"),
    (ANY, "file:///etc/passwd", "invalid-request"),
    (ANY, "javascript:alert(1)", "invalid-request"),
    (ANY, "http\u017f://example.com/", "invalid-request"),
    (ANY, "HTTPS://example.com/", "allowed"),
    (ANY, "http://example.com/\ud800", "invalid-request"),
    (ANY, "http://\ud800.com/", "invalid-request"),
]


def verdict(patterns: tuple[str, ...], url: str) -> object:
    try:
        AllowList(patterns).check_url(url)
    except RequestFailure as failure:
        return failure.reason
    except PolicyError:
        return PolicyError
    return "allowed"


@pytest.mark.parametrize(("patterns", "url", "expected"), CASES)
def test_a_list_admits_exactly_what_its_entries_say(
    patterns: tuple[str, ...], url: str, expected: object
) -> None:
    assert verdict(patterns, url) == expected


@pytest.mark.parametrize(
    ("patterns", "url", "addresses", "allowed"),
    [
        (ANY, "http://x.com/", ("93.184.215.14",), True),
        (ANY, "http://x.com/", ("93.184.215.14", "127.0.0.1"), False),
        (ANY, "http://x.com/", ("10.1.2.3",), False),
        (ANY, "http://x.com/", ("::ffff:10.1.2.3",), False),
        (ANY, "http://x.com/", ("fe80::1%eth0",), False),
        (ANY, "http://x.com/", ("nonsense",), False),
        (("*.x.com",), "http://a.x.com/", ("169.254.169.254",), False),
        (("x.com",), "http://x.com/", ("10.1.2.3", "::1"), True),
        (("localhost",), "http://localhost/", ("::1", "127.0.0.1"), True),
        (("*", "x.com:80"), "http://x.com/", ("10.1.2.3",), True),
        (("*", "x.com:80"), "https://x.com/", ("10.1.2.3",), False),
        (("*", "127.0.0.1:8080"), "http://x.com:8080/", ("127.0.0.1",), True),
        (("*", "127.0.0.1:8080"), "http://x.com/", ("127.0.0.1",), False),
        (("*", "127.0.0.1:8080"), "http://x.com:8080/", ("127.0.0.1", "127.0.0.2"), False),
    ],
)
def test_a_name_may_have_inner_addresses_only_when_it_or_they_are_named(
    patterns: tuple[str, ...], url: str, addresses: tuple[str, ...], allowed: bool
) -> None:
    allow = AllowList(patterns)
    target = allow.check_url(url)
    if allowed:
        assert allow.check_addresses(target, addresses) == addresses
    else:
        with pytest.raises(RequestFailure) as failure:
            allow.check_addresses(target, addresses)
        assert failure.value.reason == "denied"


def test_mapped_addresses_are_handed_back_as_what_the_system_connects_to() -> None:
    target = parse_url("http://x.com/")
    assert AllowList(("x.com",)).check_addresses(target, ("::ffff:10.0.0.1",)) == ("10.0.0.1",)


def test_a_denial_names_the_host_and_the_rule() -> None:
    with pytest.raises(RequestFailure) as failure:
        AllowList(("api.example.com",)).check_url("https://evil.com/?token=secret")
    assert failure.value.message == 'host "evil.com" is not in allowed_hosts ["api.example.com"]'


def test_a_password_in_a_url_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(RequestFailure, match="Authorization header"):
        parse_url("http://me:secret@x.com/")


def test_a_denied_port_is_named() -> None:
    with pytest.raises(RequestFailure, match=r'host "x\.com" on port 443 is not in allowed_hosts'):
        AllowList(("x.com:8443",)).check_url("https://x.com/")


def test_a_denial_does_not_tell_the_inner_address() -> None:
    allow = AllowList(ANY)
    with pytest.raises(RequestFailure) as failure:
        allow.check_addresses(allow.check_url("http://db.corp.example/"), ("10.20.30.40",))
    assert "private" in failure.value.message
    assert "10.20" not in failure.value.message


def test_a_denial_by_a_long_list_stays_short() -> None:
    allow = AllowList(tuple(f"host{number}.example.com" for number in range(1000)))
    with pytest.raises(RequestFailure, match="and 992 more") as failure:
        allow.check_url("http://evil.com/")
    assert len(failure.value.message) < 500


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        " ",
        "*.",
        "**",
        "*x.com",
        "a.*.com",
        "http://x.com",
        "x.com/",
        "x.com:",
        "x.com:0",
        "x.com:99999",
        "u@x.com",
        "x y.com",
        "*.127.0.0.1",
        "*.[::1]",
        "[::1",
        "[::1]:",
        "fe80::1%eth0",
        "1.2.3.4.5",
        "a..b",
        "�",
        "x\n.com",
    ],
)
def test_an_entry_that_is_no_host_is_an_error_with_a_hint(pattern: str) -> None:
    with pytest.raises(PolicyError) as error:
        AllowList(("ok.com", pattern))
    assert error.value.hint
    assert "Traceback" not in str(error.value)


def test_a_target_has_one_form() -> None:
    target = parse_url("HTTP://Ex\u00e4mple.COM.:80/a b/\u00fc%2F?q=\u00fc&r=[1]#fragment")
    assert target == Target("http", "xn--exmple-cua.com", 80, "/a%20b/%C3%BC%2F?q=%C3%BC&r=[1]")
    assert target.authority == "xn--exmple-cua.com"
    assert target.display == "http://xn--exmple-cua.com/a%20b/%C3%BC%2F"
    assert parse_url("https://[::1]:8443?x").url == "https://[::1]:8443/?x"


hosts = st.sampled_from(
    ["good.com", "evil.com", "127.0.0.1", "[::1]", "localhost", "0x7f.1", "*", "b\u00fc.de"]
)
pieces = st.sampled_from(
    ["http", "https", "://", ":", "/", "//", "@", "\\", "#", "?", "%", "%2e", ".", "[", "]", "\t", "80", "*."]
)
urls = st.one_of(
    st.text(),
    st.lists(st.one_of(hosts, pieces, st.text(max_size=3))).map("".join),
    st.tuples(hosts, st.text()).map(lambda parts: f"http://{parts[0]}{parts[1]}"),
)


@given(urls)
def test_any_text_is_a_target_or_a_failure(url: str) -> None:
    try:
        target = AllowList(("*", "good.com", "*.evil.com", "127.0.0.1:8080")).check_url(url)
    except RequestFailure as failure:
        # Goes to the sandbox, and into logs.
        failure.message.encode("ascii")
    else:
        # Reading its own form again must not lead elsewhere.
        assert parse_url(target.url) == target
        target.url.encode("ascii")
        assert target.address is None or special_kind(target.address) is None or target.port == 8080


@given(st.text())
def test_any_entry_is_accepted_or_a_policy_error(pattern: str) -> None:
    try:
        AllowList((pattern,))
    except PolicyError as error:
        str(error).encode("ascii")


entries = st.lists(
    st.sampled_from(["a", "1", "0x7f", ".", "*.", ":", ":80", "[", "]", "::1", "-", "\u00df", "127.0.0.1"])
)


@given(st.text(max_size=12) | entries.map("".join))
def test_every_entry_that_a_task_may_declare_is_understood(pattern: str) -> None:
    try:
        declared = parse_hosts([pattern], "allowed_hosts")
    except PolicyError:
        return
    AllowList(declared)


@given(st.ip_addresses())
def test_what_is_called_public_is_public_for_the_standard_library_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    carries = address.version == 6 and (address.sixtofour or address in ipaddress.ip_network("64:ff9b::/96"))
    if special_kind(address) is None and not carries:
        assert address.is_global
        assert not address.is_multicast
