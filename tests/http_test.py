"""The user guide's HTTP client and network access, against real servers on loopback.

``*`` means the public internet, so a server on loopback has to be named.
"""

from __future__ import annotations

import sqlite3

import pytest

CLIENT = """
    from capsule import task
    from capsule.http import delete, get, head, patch, post, put

    @task(name="main", compute="MEDIUM", timeout="30s", allowed_hosts=["127.0.0.1"])
    def main(url):
        {body}
"""


def ask(project, server, body, *, path="/data"):
    return project.run(CLIENT.format(body=body), server.url + path).unwrap()


# HTTP client


def test_the_example_of_the_guide_works(project, server):
    assert ask(
        project,
        server,
        """
        response = get(url)
        first = response.json()
        response = post(url, json={"key": "value"})
        is_ok = response.ok()
        return [first, is_ok, response.status_code, response.json(), response.text()]
        """,
    ) == [
        {"method": "GET", "path": "/data", "body": ""},
        True,
        200,
        {"method": "POST", "path": "/data", "body": '{"key": "value"}'},
        '{"method": "POST", "path": "/data", "body": "{\\"key\\": \\"value\\"}"}',
    ]
    assert server.asked[1].headers["content-type"] == "application/json"


def test_other_names_of_the_body_and_of_text_work(project, server):
    assert ask(
        project,
        server,
        """
        response = post(url, json_data={"key": "value"})
        refused = None
        try:
            post(url, data="a", body="b")
        except ValueError as error:
            refused = str(error)
        plain = put(url, body="plain").json()["body"]
        return [response.text == response.text() == response.content.decode(), response.text, plain, refused]
        """,
    ) == [
        True,
        '{"method": "POST", "path": "/data", "body": "{\\"key\\": \\"value\\"}"}',
        "plain",
        "data and body are two names of one thing: a request has one of them",
    ]
    assert server.asked[0].headers["content-type"] == "application/json"


def test_every_method_reaches_the_server(project, server):
    ask(project, server, "for one in (get, post, put, patch, delete, head): one(url)")
    assert [asked.method for asked in server.asked] == ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


def test_json_data_headers_and_params_are_sent(project, server):
    ask(
        project,
        server,
        """
        put(url, data="caf\\u00e9", headers={"X-One": "1"}, params={"a": ["b", "c"]})
        post(url, data=bytes([0, 255]))
        post(url, data={"x": "y z"})
        """,
    )
    text, raw, form = server.asked
    assert text.path == "/data?a=b&a=c"
    assert text.headers["x-one"] == "1"
    assert text.body == "caf\u00e9".encode()
    assert raw.body == b"\x00\xff"
    assert (form.body, form.headers["content-type"]) == (b"x=y+z", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(("status", "ok"), [(204, True), (404, False), (500, False)])
def test_ok_is_true_for_2xx_and_an_error_status_is_a_response(project, server, status, ok):
    body = "response = get(url)\n        return [response.ok(), response.status_code]"
    assert ask(project, server, body, path=f"/status/{status}") == [ok, status]


def test_headers_and_content_of_a_response_can_be_read(project, server):
    body = """response = get(url)
        return [response.headers["content-TYPE"], list(response.content)]"""
    assert ask(project, server, body, path="/bytes/3") == ["application/json", [120, 120, 120]]


def test_a_request_times_out_on_its_own_and_the_task_goes_on(project, server):
    body = """try:
            get(url, timeout=0.2)
        except TimeoutError as error:
            return type(error).__name__"""
    assert ask(project, server, body, path="/sleep/5") == "Timeout"


def test_the_tasks_deadline_ends_a_request(project, server):
    envelope = project.run(
        """
        from capsule import task
        from capsule.http import get

        @task(name="main", timeout="400ms", allowed_hosts=["127.0.0.1"])
        def main(url):
            return get(url).text()
        """,
        server.url + "/sleep/5",
    )
    assert envelope.error["error_type"] == "timeout"
    assert envelope.execution["duration_ms"] < 1000


@pytest.mark.parametrize("library", ["urllib.request", "http.client"])
def test_the_standard_librarys_clients_work_unmodified(project, server, library):
    envelope = project.run(
        """
        import http.client
        import json
        import urllib.request
        from capsule import task

        @task(name="main", allowed_hosts=["127.0.0.1"])
        def main(library, port):
            if library == "urllib.request":
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", data=b"body") as response:
                    return [response.status, json.load(response)]
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("POST", "/x", b"body")
            response = connection.getresponse()
            return [response.status, json.loads(response.read())]
        """,
        library,
        server.port,
    )
    assert envelope.unwrap() == [200, {"method": "POST", "path": "/x", "body": "body"}]


def test_async_tasks_make_requests_side_by_side(project, server):
    envelope = project.run(
        """
        import asyncio
        from capsule import task
        from capsule.http import get

        @task(name="main", allowed_hosts=["127.0.0.1"])
        async def main(url):
            responses = await asyncio.gather(*(asyncio.to_thread(get, url) for _ in range(5)))
            return [response.status_code for response in responses]
        """,
        server.url + "/sleep/0.2",
    )
    assert envelope.unwrap() == [200] * 5


# Network access

REACH = """
    from capsule import task
    from capsule.http import get

    @task(name="main", allowed_hosts={hosts})
    def main(url):
        try:
            return get(url).status_code
        except OSError as error:
            return [type(error).__name__, str(error)]
"""


def test_hosts_off_the_list_are_denied_before_anything_is_sent(project, server):
    found = project.run(REACH.format(hosts='["api.example.com"]'), server.url).unwrap()
    assert found[0] == "PermissionDenied"
    assert "allowed_hosts" in found[1]
    assert "127.0.0.1" in found[1]
    assert server.asked == []


def test_an_empty_list_allows_nothing(project, server):
    assert project.run(REACH.format(hosts="[]"), server.url).unwrap()[0] == "PermissionDenied"
    assert server.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_the_default_is_the_public_internet_which_loopback_is_no_part_of(project, server, host):
    found = project.run(REACH.format(hosts='["*"]'), f"http://{host}:{server.port}/").unwrap()
    assert found[0] == "PermissionDenied"
    assert server.asked == []


def test_a_port_in_an_entry_admits_that_port_only(project, server):
    text = REACH.format(hosts=f'["127.0.0.1:{server.port}"]')
    assert project.run(text, server.url).unwrap() == 200
    assert project.run(text, f"http://127.0.0.1:{server.port + 1}/").unwrap()[0] == "PermissionDenied"


def test_a_redirect_is_followed_within_the_list_and_refused_beyond_it(project, server):
    text = REACH.format(hosts='["127.0.0.1"]')
    assert project.run(text, f"{server.url}/to/127.0.0.1:{server.port}/end").unwrap() == 200
    assert server.asked[-1].path == "/end"
    count = len(server.asked)
    found = project.run(text, f"{server.url}/to/localhost:{server.port}/end").unwrap()
    assert found[0] == "PermissionDenied"
    assert "localhost" in found[1]
    assert len(server.asked) == count + 1


def test_each_task_has_a_list_of_its_own(project, server):
    envelope = project.run(
        """
        from capsule import task
        from capsule.http import get

        @task(name="fetch", allowed_hosts=["127.0.0.1"])
        def fetch(url):
            return get(url).status_code

        @task(name="main", allowed_hosts=[])
        def main(url):
            try:
                get(url)
            except PermissionError:
                return fetch(url).unwrap()
        """,
        server.url,
    )
    assert envelope.unwrap() == 200
    assert len(server.asked) == 1


def test_ceilings_bound_the_hosts_and_the_number_of_requests(project, server):
    text = REACH.format(hosts='["127.0.0.1"]')
    assert project.run(text, server.url, limits={"allowed_hosts": []}).unwrap()[0] == "PermissionDenied"
    found = project.run(text, server.url, limits={"http_requests": 0}).unwrap()
    assert "http_requests" in found[1]
    assert server.asked == []


def test_requests_are_recorded_without_their_secrets(project, server):
    project.run(REACH.format(hosts='["127.0.0.1"]'), server.url + "/a?token=hunter2").unwrap()
    from capsule.launch.journals import close_journals

    close_journals()
    with sqlite3.connect(project / ".capsule/trace.db") as trace:
        rows = trace.execute("SELECT method, url, status FROM requests").fetchall()
    assert rows == [("GET", server.url + "/a", 200)]
