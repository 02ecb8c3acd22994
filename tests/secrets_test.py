"""Secrets and redaction, as the guide has them: placeholders in the sandbox, values in the requests."""

from __future__ import annotations

import base64
import json
import sqlite3

import pytest

from capsule import CapsuleError
from capsule.launch.journals import close_journals

VALUE = "sk-0123456789abcdef"

SEND = """
    import base64, os
    from capsule import task
    from capsule.http import get, post

    @task(name="main", {options}, allowed_hosts=["127.0.0.1", "api.example.com"])
    def main(url):
        key = os.environ["OPENAI_KEY"]
        {body}
"""


@pytest.fixture
def send(project, server, monkeypatch):
    """Runs a body that has ``key`` and ``url``, with the entry of ``[secrets]`` that is given."""
    monkeypatch.setenv("OPENAI_KEY", VALUE)

    def run(body, *, entry='hosts = ["127.0.0.1"]', options='secrets=["OPENAI_KEY"]', **more):
        project.write("capsule.toml", f"[secrets]\nOPENAI_KEY = {{ {entry} }}\n")
        return project.run(SEND.format(body=body, options=options), server.url, **more)

    return run


def test_the_task_has_a_placeholder_and_the_server_gets_the_value(send, server):
    key = send('get(url, headers={"Authorization": "Bearer " + key})\n        return key').unwrap()
    assert key.startswith("capsule_secret_")
    assert server.asked[0].headers["authorization"] == f"Bearer {VALUE}"


@pytest.mark.parametrize("pair", ['(key + ":")', '("user:" + key)'])
def test_basic_authorization_works_with_a_placeholder(send, server, pair):
    send(
        f'get(url, headers={{"Authorization": "Basic " + base64.b64encode({pair}.encode()).decode()}})'
    ).unwrap()
    sent = base64.b64decode(server.asked[0].headers["authorization"].removeprefix("Basic ")).decode()
    assert sent in (f"{VALUE}:", f"user:{VALUE}")


def test_the_standard_librarys_client_works_with_a_placeholder(send, server):
    send(
        """
        from urllib.request import Request, urlopen
        urlopen(Request(url, headers={"X-Key": key}))
        """
    ).unwrap()
    assert server.asked[0].headers["x-key"] == VALUE


def test_a_value_in_a_body_is_written_as_the_body_is(send, server, monkeypatch):
    value = 'pass"word &=\\\n\u00e9'
    monkeypatch.setenv("OPENAI_KEY", value)
    send(
        """
        post(url, json={"k": key})
        post(url, data={"k": key})
        post(url, data=key)
        """,
        entry='hosts = ["127.0.0.1"], in = ["body"]',
    ).unwrap()
    from urllib.parse import parse_qs

    as_json, as_form, as_is = (asked.body.decode() for asked in server.asked)
    assert json.loads(as_json) == {"k": value}
    assert parse_qs(as_form) == {"k": [value]}
    assert as_is == value


@pytest.mark.parametrize(
    ("asking", "entry", "words"),
    [
        ("post(url, data=key)", 'hosts = ["127.0.0.1"]', ["OPENAI_KEY", "body", 'in = ["body"]']),
        ('get(url, headers={"X": key})', 'hosts = ["127.0.0.1"], in = ["body"]', ["headers"]),
        ('get(url, headers={"X": key})', 'hosts = ["api.example.com"]', ["127.0.0.1", "api.example.com"]),
        ('get(url, headers={"X": key})', 'hosts = ["127.0.0.1:1"]', ["127.0.0.1", "capsule.toml:2"]),
        ('get(url + "/" + key)', 'hosts = ["127.0.0.1"]', ["URL", "header"]),
        (
            'get("http://api.example.com/", headers={"X": key})',
            'hosts = ["api.example.com"]',
            ["http", "https", "allow_http"],
        ),
    ],
)
def test_a_placeholder_elsewhere_is_refused_by_name(send, server, project, asking, entry, words):
    envelope = send(asking, entry=entry)
    assert envelope.error["error_type"] == "permission_denied"
    for word in ("secret OPENAI_KEY", *words):
        assert word in envelope.error["message"]
    assert server.asked == []
    close_journals()
    with sqlite3.connect(project / ".capsule/trace.db") as trace:
        [(rule, subject)] = trace.execute("SELECT rule, subject FROM refusals").fetchall()
    assert rule == "secrets"
    assert subject in envelope.error["message"]


def test_hosts_of_a_secret_do_not_grant_access_to_a_host(project, server, monkeypatch):
    monkeypatch.setenv("OPENAI_KEY", VALUE)
    project.write("capsule.toml", '[secrets]\nOPENAI_KEY = { hosts = ["127.0.0.1"] }\n')
    text = SEND.format(body='get(url, headers={"X": key})', options='secrets=["OPENAI_KEY"]')
    envelope = project.run(text.replace('"127.0.0.1", ', ""), server.url)
    assert "allowed_hosts" in envelope.error["message"]
    assert server.asked == []


def test_a_sub_task_has_secrets_of_its_own(project, server, monkeypatch):
    monkeypatch.setenv("OPENAI_KEY", VALUE)
    project.write("capsule.toml", '[secrets]\nOPENAI_KEY = { hosts = ["127.0.0.1"] }\n')
    found = project.run(
        """
        import os
        from capsule import task
        from capsule.http import get

        @task(name="fetch", secrets=["OPENAI_KEY"], allowed_hosts=["127.0.0.1"])
        def fetch(url):
            return get(url, headers={"X-Key": os.environ["OPENAI_KEY"]}).status_code

        @task(name="main")
        def main(url):
            return [os.environ.get("OPENAI_KEY"), fetch(url).unwrap()]
        """,
        server.url,
    ).unwrap()
    assert found == [None, 200]
    assert server.asked[0].headers["x-key"] == VALUE


def test_a_typescript_task_has_secrets(project, cli, server):
    project.write("capsule.toml", '[secrets]\nOPENAI_KEY = { hosts = ["127.0.0.1"] }\n')
    project.write(
        "main.ts",
        """
        import { task } from "@capsule-run/sdk";

        export const main = task(
          { name: "main", secrets: ["OPENAI_KEY"], allowedHosts: ["127.0.0.1"] },
          async (url: string) => {
            const key = process.env.OPENAI_KEY ?? "";
            const found = await fetch(url, { headers: { Authorization: `Bearer ${key}` } });
            return [key, found.status];
          },
        );
        """,
    )
    done = cli("run", "main.ts", server.url, "--json", env={"OPENAI_KEY": VALUE})
    key, status = done.envelope.unwrap()
    assert key.startswith("capsule_secret_")
    assert status == 200
    assert server.asked[0].headers["authorization"] == f"Bearer {VALUE}"


def test_an_exported_artifact_keeps_its_secrets(project, cli, server):
    project.write("capsule.toml", '[secrets]\nOPENAI_KEY = { hosts = ["127.0.0.1"] }\n')
    project.write(
        "main.py",
        SEND.format(body='return get(url, headers={"X": key}).status_code', options='secrets=["OPENAI_KEY"]'),
    )
    assert cli("build", "--export", "main.py", env={"OPENAI_KEY": VALUE}).status == 0
    assert VALUE.encode() not in (project / "main.wasm").read_bytes()
    done = cli("exec", "main.wasm", server.url, "--json", env={"OPENAI_KEY": VALUE})
    assert done.envelope.unwrap() == 200
    assert server.asked[0].headers["x"] == VALUE


def test_a_secret_s_value_comes_from_the_variable_that_it_names(send, server, project, monkeypatch):
    monkeypatch.delenv("OPENAI_KEY")
    project.write(".env", "OTHER_NAME=from-dot-env\n")
    send('get(url, headers={"X": key})', entry='env = "OTHER_NAME", hosts = ["127.0.0.1"]').unwrap()
    assert server.asked[0].headers["x"] == "from-dot-env"


def test_defaults_and_ceilings_speak_of_secrets(project, cli, monkeypatch):
    monkeypatch.setenv("OPENAI_KEY", VALUE)
    project.write(
        "capsule.toml",
        '[secrets]\nOPENAI_KEY = { hosts = ["127.0.0.1"] }\n[tasks]\ndefault_secrets = ["OPENAI_KEY"]\n',
    )
    text = """
        import os
        from capsule import task

        @task(name="main")
        def main():
            return "OPENAI_KEY" in os.environ
    """
    assert project.run(text).unwrap() is True
    assert project.run(text, limits={"secrets": []}).unwrap() is False
    [task] = json.loads(cli("tasks", "main.py", "--json", "--limit", "secrets=").stdout)
    assert task["effective"]["secrets"] == []
    assert "--limit secrets" in task["effective"]["origins"]["secrets"]


@pytest.mark.parametrize(
    ("options", "value", "words"),
    [
        (
            'secrets=["OPENAI_KEY"]',
            None,
            ["OPENAI_KEY is not set", "export OPENAI_KEY=", ".env", "--env-file"],
        ),
        ('secrets=["OPENAI_KEY"]', "", ["OPENAI_KEY is not set"]),
        ('secrets=["OPENAI_KEY"]', "short12", ["7 characters", "8 to 65536"]),
        ('secrets=["OPENAI_KEY"]', "x" * 65_537, ["65537 characters"]),
        ('secrets=["OPENAI_KEY"]', "0123456789\n", ["line break", "header"]),
        ('secrets=["OPENAI_KEI"]', VALUE, ["OPENAI_KEI", "[secrets]", 'did you mean "OPENAI_KEY"']),
        ('secrets=["OPENAI_KEY"], env_variables=["OPENAI_KEY"]', VALUE, ["env_variables", "would see"]),
        ('secrets="OPENAI_KEY"', VALUE, ["secrets", "not a list"]),
        ('secrets=["A=B"]', VALUE, ["secrets", "A=B"]),
    ],
)
def test_a_secret_that_cannot_be_used_is_an_error_before_anything_runs(
    project, monkeypatch, options, value, words
):
    project.write("capsule.toml", '[secrets]\nOPENAI_KEY = { hosts = ["127.0.0.1"] }\n')
    monkeypatch.delenv("OPENAI_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("OPENAI_KEY", value)
    heard = []
    with pytest.raises(CapsuleError) as caught:
        project.run(
            f"from capsule import task\n\n@task(name='main', {options})\ndef main():\n    print('ran')\n",
            on_output=lambda stream, text: heard.append(text),
        )
    said = f"{caught.value.location}: {caught.value.message}; {caught.value.hint}"
    for word in ("main.py:3", *words):
        assert word in said
    assert heard == []
    assert value is None or len(value) < 8 or value.strip() not in said


def test_every_task_of_the_file_needs_its_secrets_whichever_is_run(project, cli, said):
    project.write("capsule.toml", '[secrets]\nMAIL_KEY = { hosts = ["mail.example.com"] }\n')
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="mail", secrets=["MAIL_KEY"])
        def mail():
            return 1

        @task(name="main")
        def main():
            return 2
        """,
    )
    said(cli("run", "main.py"), "main.py:3", "MAIL_KEY", "mail", "--limit secrets=", status=2)
    assert cli("run", "main.py", "--limit", "secrets=").stdout == "2\n"


def test_a_bad_entry_is_an_error_with_file_and_line(project, cli, said):
    project.write("capsule.toml", '[secrets]\nKEY = { hosts = ["*"] }\n')
    project.write("main.py", "from capsule import task\n\n@task(name='main')\ndef main():\n    return 1\n")
    said(cli("run", "main.py"), "capsule.toml:2", "hosts", "hint:", status=2)


# Redaction


def recorded(project):
    """All text of the project's record."""
    close_journals()
    with sqlite3.connect(project / ".capsule/trace.db") as trace:
        tables = [name for (name,) in trace.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return "".join(str(row) for table in tables for row in trace.execute(f"SELECT * FROM {table}"))


def test_values_of_variables_are_not_recorded(project, server, monkeypatch):
    monkeypatch.setenv("API_KEY", "k3y/with+$ things")
    heard = []
    envelope = project.run(
        """
        import json, os, sys
        from capsule import task
        from capsule.http import get

        @task(name="main", env_variables=["API_KEY"], allowed_hosts=["127.0.0.1"])
        def main(given, url):
            key = os.environ["API_KEY"]
            print("plain", key)
            for character in "split " + key + "!":
                print(character, end="", flush=True)
            print(json.dumps(key), file=sys.stderr)
            get(url + "/" + key)
            try:
                get("http://" + key.partition("/")[0] + ".example/")
            except OSError:
                pass
            raise ValueError("bad key " + key)
        """,
        "k3y/with+$ things",
        server.url,
        on_output=lambda stream, text: heard.append(text),
    )
    text = recorded(project)
    assert "k3y/with" not in text
    assert "plain [env API_KEY]" in text
    assert "split [env API_KEY]!" in text
    assert "bad key [env API_KEY]" in text
    # To its caller the task may say what it likes: the variable is its own.
    assert "bad key k3y/with+$ things" in envelope.error["message"]
    assert "plain k3y/with+$ things" in "".join(heard)


def test_a_value_in_the_arguments_is_not_recorded_even_where_they_are_cut(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "k" * 30 + "0123456789")
    text = """
        from capsule import task

        @task(name="main", env_variables=["API_KEY"])
        def main(given):
            return len(given)
    """
    project.run(text, "x" * 4060 + "k" * 30 + "0123456789").unwrap()
    assert "kkkkkk" not in recorded(project)


def test_short_values_are_recorded(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "debug")
    project.run(
        """
        import os
        from capsule import task

        @task(name="main", env_variables=["API_KEY"])
        def main():
            print("level", os.environ["API_KEY"])
        """
    ).unwrap()
    assert "level debug" in recorded(project)


def test_much_output_with_a_long_value_is_redacted_in_bounded_time(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "ab" * 32_000 + "c")
    envelope = project.run(
        """
        import os
        from capsule import task

        @task(name="main", env_variables=["API_KEY"], timeout="60s")
        def main():
            for _ in range(70):
                print("ab" * 64_000, flush=True)
            print(os.environ["API_KEY"])
        """,
        on_output=lambda stream, text: None,
    )
    assert envelope.success, envelope
    assert "[env API_KEY]" in recorded(project)
    assert envelope.execution["duration_ms"] < 20_000
