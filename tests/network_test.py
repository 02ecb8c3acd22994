"""Which requests are allowed: the tables of docs/network.md, and what a denial says, everywhere."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from capsule.egress.policy import AllowList
from capsule.egress.wire import RequestFailure
from capsule.launch.journals import close_journals
from capsule.policy.grants import parse_hosts

PAGE = (Path(__file__).parent.parent / "docs/network.md").read_text()


def rows(section):
    """The rows of a section's table: each cell the texts of its code spans, or its words."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [tuple(cell(one) for one in re.split(r" \| ?", line.strip("| "))) for line in lines]


def cell(text):
    spans = [json.loads(f'"{span}"') for span in re.findall(r"`([^`]*)`", text)]
    return spans or ([] if text == "nothing" else text)


def verdict(check):
    try:
        check()
    except RequestFailure as failure:
        return {"denied": "denied", "invalid-request": "invalid"}[failure.reason]
    return "allowed"


@pytest.mark.parametrize(("entries", "url", "expected"), rows("URLs"))
def test_urls_are_allowed_as_the_page_says(entries, url, expected):
    for patterns in (tuple(entries), parse_hosts(entries, "allowed_hosts")):
        assert verdict(lambda given=patterns: AllowList(given).check_url(url[0])) == expected


@pytest.mark.parametrize(("entries", "host", "addresses", "expected"), rows("Addresses"))
def test_addresses_are_allowed_as_the_page_says(entries, host, addresses, expected):
    allow = AllowList(tuple(entries))
    target = allow.check_url(f"https://{host[0]}/")
    assert verdict(lambda: allow.check_addresses(target, addresses)) == expected


def test_the_page_has_cases_of_every_kind():
    urls = " ".join(url[0] for _, url, _ in rows("URLs"))
    assert len(rows("URLs")) > 90
    assert len(rows("Addresses")) > 10
    for trick in ("@", "\\", "\t", "%", "xn--", "0x", "0177", "[::ffff:", "%25eth0", "169.254", "\u0430"):
        assert trick in urls


# What a denial says

ASKING = """
    from capsule import task
    from capsule.http import get

    @task(name="child", allowed_hosts={hosts})
    def child(url):
        try:
            return get(url).status_code
        except OSError as error:
            return str(error)

    @task(name="main")
    def main(*urls):
        return [child(url).unwrap() for url in urls]
"""


def refusals(project):
    close_journals()
    with sqlite3.connect(project / ".capsule/trace.db") as trace:
        return trace.execute("SELECT rule, subject FROM refusals ORDER BY rowid").fetchall()


def test_a_denied_host_names_the_list_its_task_and_its_place(project, cli, server):
    project.write("main.py", ASKING.format(hosts='["api.example.com"]'))
    done = cli("run", "main.py", server.url, "--verbose")
    said = 'host "127.0.0.1" is not in allowed_hosts ["api.example.com"] of task child (main.py:4)'
    assert json.loads(done.stdout) == [said]
    assert f"refused by allowed_hosts: {said}" in done.stderr
    assert refusals(project) == [("allowed_hosts", said)]


def test_a_default_names_its_place(project, server):
    project.write("capsule.toml", '[tasks]\ndefault_allowed_hosts = ["api.example.com"]\n')
    text = ASKING.replace(", allowed_hosts={hosts}", "")
    [said] = project.run(text, server.url).unwrap()
    assert said.endswith('["api.example.com"] of task child (main.py:4, capsule.toml default_allowed_hosts)')


def test_a_ceiling_names_its_place(project, server):
    project.write("capsule.toml", '[limits]\nallowed_hosts = ["*"]\n')
    [said] = project.run(ASKING.format(hosts='["127.0.0.1"]'), server.url).unwrap()
    assert '[limits] allowed_hosts (capsule.toml:2) ["*"]' in said
    assert "capped by" not in refusals(project)[0][1] or "[limits]" in refusals(project)[0][1]


@pytest.mark.parametrize(("limit", "value"), [("http_requests", 1), ("http_bytes", 10)])
def test_a_budget_of_requests_names_its_limit(project, server, limit, value):
    project.write("capsule.toml", f"[limits]\n{limit} = {value}\n")
    text = ASKING.format(hosts='["127.0.0.1"]')
    said = project.run(text, server.url, server.url, server.url).unwrap()[-1]
    assert f"[limits] {limit} (capsule.toml:2)" in said
    assert (limit, said) in refusals(project)


@pytest.mark.parametrize(("limit", "rule"), [("tasks", "task-limit"), ("depth", "depth-limit")])
def test_a_limit_of_sub_tasks_names_its_place(project, limit, rule):
    project.write("capsule.toml", f"[limits]\n{limit} = 1\n")
    envelope = project.run(
        """
        from capsule import task

        @task(name="main")
        def main(depth=0):
            first, second = main(1) if depth < 2 else None, main(2) if depth < 1 else None
            return [first and (first.error or first.result), second and second.error]
        """
    )
    assert f"[limits] {limit} (capsule.toml:2)" in json.dumps(envelope)
    assert any(
        found == rule and f"[limits] {limit} (capsule.toml:2)" in said for found, said in refusals(project)
    )


def test_a_folder_that_cannot_be_granted_names_its_place(project):
    (project / "link").symlink_to("/usr")
    envelope = project.run(
        """
        from capsule import task

        @task(name="reader", allowed_files=["link"])
        def reader():
            return 1

        @task(name="main")
        def main():
            return reader().error
        """
    )
    said = envelope.unwrap()["message"]
    assert "allowed_files" in said
    assert "main.py:3" in said
    assert refusals(project) == [("allowed_files", said)]


@pytest.mark.parametrize(
    ("options", "body", "words"),
    [
        ("compute=30_000_000", "while True: pass", ["compute", "main.py:3"]),
        ('compute="HIGH", timeout="100ms"', "while True: pass", ["timeout", "main.py:3"]),
    ],
)
def test_a_limit_of_a_task_names_its_place(project, options, body, words):
    envelope = project.run(
        f"from capsule import task\n\n@task(name='main', {options})\ndef main():\n    {body}\n"
    )
    for word in words:
        assert word in envelope.error["message"], envelope


def test_limits_of_results_and_output_name_themselves(project):
    text = (
        "from capsule import task\n\n@task\ndef main(size):\n    print('x' * size)\n    return 'x' * size\n"
    )
    heard = []
    limits = {"result_bytes": 1000, "output_bytes": 1000}
    envelope = project.run(text, 5000, limits=limits, on_output=lambda stream, text: heard.append(text))
    assert "[limits] result_bytes" in envelope.error["message"]
    assert "[limits] output_bytes" in "".join(heard)
