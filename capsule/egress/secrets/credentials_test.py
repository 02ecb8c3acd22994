"""What goes out with a secret and what comes back, against real servers under names of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from capsule.egress.fetch import Fetcher, Hop
from capsule.egress.policy import AllowList
from capsule.egress.secrets.credentials import TaskCredentials
from capsule.egress.secrets.vault import Vault, open_vault
from capsule.egress.wire import Headers, HttpRequest, HttpResponse, RequestFailure
from capsule.errors import Location
from capsule.policy.model import Policy, TaskPolicy
from capsule.policy.secrets import Secret

VALUE = "sk-0123456789abcdef"
HERE = Location("main.py", 3)


@dataclass
class Site:
    """A server; ``asked`` has the headers of each request, ``moved`` where a path leads."""

    port: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append({name.lower(): value for name, value in self.headers.items()})
            to = site.moved.get(self.path)
            self.send_response(200 if to is None else 302)
            if to is not None:
                self.send_header("Location", to)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as one:
        yield one


def vault_of(*secrets: Secret) -> Vault:
    names = tuple(secret.name for secret in secrets)
    declared = {secret.name: secret for secret in secrets}
    tasks = {"main": (TaskPolicy(Policy(secrets=names)), HERE)}
    return open_vault(declared, tasks, lambda wanted: dict.fromkeys(wanted, VALUE))


def fetch(
    site: Site, vault: Vault, url: str, headers: Headers, hops: list[Hop] | None = None
) -> HttpResponse:
    """A request of a task that may reach every ``.test`` host, all of which are this server."""
    names = tuple(vault.held)
    fetcher = Fetcher(
        AllowList(("*.test", "127.0.0.1")), resolver=lambda *args, **more: [(0, 0, 0, "", ("127.0.0.1", 0))]
    )
    hops = [] if hops is None else hops
    request = HttpRequest("GET", url, headers)
    return fetcher.fetch(request, None, hops.append, TaskCredentials(vault, names, "task main"))


def test_a_host_may_be_a_wildcard_and_a_name_needs_https_unless_the_entry_says_otherwise(site: Site) -> None:
    for allow_http in (False, True):
        vault = vault_of(Secret("KEY", "KEY", ("*.api.test",), allow_http=allow_http))
        headers = (("X-Key", f"a {vault.held['KEY'].placeholder} b"),)
        url = f"http://v1.api.test:{site.port}/"
        if allow_http:
            fetch(site, vault, url, headers)
            assert site.asked[-1]["x-key"] == f"a {VALUE} b"
        else:
            with pytest.raises(RequestFailure, match="over http, only over https") as failure:
                fetch(site, vault, url, headers)
            assert failure.value.rule == "secrets"
            assert site.asked == []


def test_a_redirect_between_the_secret_s_hosts_is_filled_in_anew(site: Site) -> None:
    vault = vault_of(Secret("KEY", "KEY", ("a.test", "b.test"), allow_http=True))
    site.moved["/"] = f"http://b.test:{site.port}/end"
    fetch(site, vault, f"http://a.test:{site.port}/", (("X-Key", vault.held["KEY"].placeholder),))
    assert [asked["x-key"] for asked in site.asked] == [VALUE, VALUE]
    assert [asked["host"] for asked in site.asked] == [f"a.test:{site.port}", f"b.test:{site.port}"]


def test_a_redirect_beyond_them_has_neither_value_nor_placeholder(site: Site) -> None:
    vault = vault_of(Secret("KEY", "KEY", ("a.test",), allow_http=True))
    placeholder = vault.held["KEY"].placeholder
    site.moved["/"] = f"http://b.test:{site.port}/end"
    hops: list[Hop] = []
    with pytest.raises(RequestFailure, match=r'can\'t go to "b\.test"') as failure:
        fetch(site, vault, f"http://a.test:{site.port}/", (("X-Key", placeholder),), hops)
    assert failure.value.rule == "secrets"
    assert len(site.asked) == 1
    assert [hop.failure for hop in hops] == [None, "denied"]
    fetch(site, vault, f"http://a.test:{site.port}/", (("Authorization", f"Bearer {placeholder}"),))
    assert site.asked[-2]["authorization"] == f"Bearer {VALUE}"
    assert "authorization" not in site.asked[-1]


def test_two_secrets_go_into_one_request_each_under_its_own_rules(site: Site) -> None:
    vault = vault_of(
        Secret("ONE", "ONE", ("a.test",), allow_http=True), Secret("TWO", "TWO", ("b.test",), allow_http=True)
    )
    one, two = (vault.held[name].placeholder for name in ("ONE", "TWO"))
    fetch(site, vault, f"http://a.test:{site.port}/", (("X", one), ("Y", one + one)))
    assert site.asked[-1]["y"] == VALUE * 2
    with pytest.raises(RequestFailure, match="the secret TWO can't go to"):
        fetch(site, vault, f"http://a.test:{site.port}/", (("X", one), ("Y", two)))


def test_a_request_without_a_placeholder_is_sent_as_it_is(site: Site) -> None:
    vault = vault_of(Secret("KEY", "KEY", ("a.test",)))
    headers = (("Authorization", "Basic dXNlcjpwYXNz"), ("X", "capsule_secret_0"))
    fetch(site, vault, f"http://c.test:{site.port}/?capsule_secret_", headers)
    assert site.asked[-1]["authorization"] == "Basic dXNlcjpwYXNz"
    assert site.asked[-1]["x"] == "capsule_secret_0"


@pytest.mark.parametrize("basic", ["Basic", "Basic !!!", "Basic dXNlcjpwYXNz=", "basic /w=="])
def test_authorization_that_is_not_base64_is_left_alone(site: Site, basic: str) -> None:
    vault = vault_of(Secret("KEY", "KEY", ("a.test",)))
    fetch(site, vault, f"http://c.test:{site.port}/", (("Authorization", basic),))
    assert site.asked[-1]["authorization"] == basic


def test_placeholders_are_different_for_every_secret_and_every_run() -> None:
    secrets = [Secret(f"KEY{number}", f"KEY{number}", ("a.test",)) for number in range(50)]
    found = {held.placeholder for _ in range(20) for held in vault_of(*secrets).held.values()}
    assert len(found) == 1000
    assert all(len(one) == 47 and one.isascii() and one.isidentifier() for one in found)
