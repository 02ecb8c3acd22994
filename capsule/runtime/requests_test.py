import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from capsule.egress.policy import AllowList
from capsule.egress.wire import RequestFailure
from capsule.events import Refused, Requested
from capsule.runtime.interrupt import Interrupt
from capsule.runtime.requests import Both, Requests


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/slow":
                time.sleep(5)
            body = b"x" * 1000
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()


def ask(requests, url, hosts=("127.0.0.1",), seen=None, interrupt=None):
    text = json.dumps(
        {"method": "GET", "url": url, "headers": [], "body": None, "timeout": None, "redirects": True}
    )
    emit = (lambda event: None) if seen is None else seen.append
    return requests.make(text, hosts, interrupt or Interrupt(), run="r", task=1, emit=emit)


def test_a_request_is_made_and_recorded_without_its_query(server):
    seen = []
    assert json.loads(ask(Requests(None, None, None), server + "/a?token=secret", seen=seen))["status"] == 200
    (event,) = seen
    assert isinstance(event, Requested)
    assert event.status == 200
    assert "secret" not in event.url


def test_a_denial_names_its_rule(server):
    seen = []
    with pytest.raises(RequestFailure, match="allowed_hosts"):
        ask(Requests(None, None, None), server, hosts=("example.com",), seen=seen)
    assert [event.rule for event in seen if isinstance(event, Refused)] == ["allowed_hosts"]


def test_the_run_s_requests_are_counted(server):
    requests = Requests(2, None, None)
    ask(requests, server)
    ask(requests, server)
    with pytest.raises(RequestFailure, match="http_requests"):
        ask(requests, server)


def test_the_run_s_bytes_are_counted(server):
    requests = Requests(None, 1500, None)
    ask(requests, server)
    with pytest.raises(RequestFailure, match="http_bytes"):
        ask(requests, server)


def test_a_ceiling_of_public_hosts_holds_for_a_host_that_the_task_names(server):
    with pytest.raises(RequestFailure) as failed:
        ask(Requests(None, None, ("*",)), server)
    assert failed.value.reason == "denied"
    assert "[limits] allowed_hosts" in failed.value.message


def test_both_lists_have_to_admit_a_name_s_addresses():
    both = Both(AllowList(("rebind.test",)), AllowList(("*",), name="[limits] allowed_hosts"))
    target = both.check_url("http://rebind.test/")
    with pytest.raises(RequestFailure, match=r"\[limits\] allowed_hosts"):
        both.check_addresses(target, ("10.0.0.1",))
    assert both.check_addresses(target, ("93.184.216.34",)) == ("93.184.216.34",)


def test_a_request_ends_at_the_task_s_deadline(server):
    started = time.monotonic()
    with pytest.raises(RequestFailure) as failed:
        ask(Requests(None, None, None), server + "/slow", interrupt=Interrupt(started + 0.3))
    assert failed.value.reason == "timeout"
    assert time.monotonic() - started < 3


def test_closing_ends_what_is_under_way(server):
    requests = Requests(None, None, None)
    threading.Timer(0.2, requests.close).start()
    started = time.monotonic()
    with pytest.raises(RequestFailure):
        ask(requests, server + "/slow")
    assert time.monotonic() - started < 3
