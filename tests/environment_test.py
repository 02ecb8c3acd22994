"""The user guide's environment variables: what a task may read, and where values come from."""

from __future__ import annotations

import pytest

from capsule import CapsuleError

READ = """
    from capsule import task
    import os

    @task(name="main", env_variables={names})
    def main():
        return {{name: os.environ.get(name) for name in ("API_KEY", "OTHER")}}
"""


def test_a_task_reads_the_variables_that_it_declares_and_no_others(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "k\u00e9y")
    monkeypatch.setenv("OTHER", "secret")
    found = project.run(READ.format(names='["API_KEY"]')).unwrap()
    assert found == {"API_KEY": "k\u00e9y", "OTHER": None}


def test_a_variable_that_has_no_value_is_not_there(project, monkeypatch):
    monkeypatch.delenv("API_KEY", raising=False)
    assert project.run(READ.format(names='["API_KEY"]')).unwrap()["API_KEY"] is None


def test_the_modules_top_level_sees_the_variables_too(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "key")
    envelope = project.run("""
        import os
        from capsule import task
        KEY = os.environ["API_KEY"]

        @task(name="main", env_variables=["API_KEY"])
        def main():
            return KEY
    """)
    assert envelope.unwrap() == "key"


def test_each_task_has_its_own_variables(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "key")
    envelope = project.run("""
        import os
        from capsule import task

        @task(name="with_key", env_variables=["API_KEY"])
        def with_key():
            return os.environ.get("API_KEY")

        @task(name="main")
        def main():
            return [os.environ.get("API_KEY"), with_key().result]
    """)
    assert envelope.unwrap() == [None, "key"]


def test_values_come_from_the_process_then_env_file_then_dot_env(project, monkeypatch):
    monkeypatch.delenv("API_KEY", raising=False)
    monkeypatch.delenv("OTHER", raising=False)
    text = READ.format(names='["API_KEY", "OTHER"]')
    project.write(".env", "API_KEY=dot\nOTHER='dot too'\n")
    project.write("given.env", "API_KEY=given\n")
    assert project.run(text).unwrap() == {"API_KEY": "dot", "OTHER": "dot too"}
    assert project.run(text, env_file="given.env").unwrap() == {"API_KEY": "given", "OTHER": "dot too"}
    monkeypatch.setenv("API_KEY", "process")
    assert project.run(text, env_file="given.env").unwrap()["API_KEY"] == "process"


def test_the_command_line_takes_an_env_file(project, cli, said):
    project.write("main.py", READ.format(names='["API_KEY"]'))
    project.write("given.env", "API_KEY=given\n")
    done = cli("run", "main.py", "--env-file", "given.env", "--json")
    assert done.envelope.result["API_KEY"] == "given"
    said(cli("run", "main.py", "--env-file", "missing.env"), "missing.env", "can't be read", status=2)


def test_a_line_that_cannot_be_read_is_an_error_with_file_and_line(project):
    project.write(".env", "# fine\nAPI_KEY 'no\n")
    with pytest.raises(CapsuleError) as caught:
        project.run(READ.format(names='["API_KEY"]'))
    assert ".env:2" in str(caught.value)


def test_a_ceiling_takes_variables_away(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "key")
    found = project.run(READ.format(names='["API_KEY"]'), limits={"env_variables": ["OTHER"]}).unwrap()
    assert found["API_KEY"] is None


def test_a_task_cannot_grant_itself_a_variable(project, monkeypatch):
    monkeypatch.setenv("API_KEY", "key")
    envelope = project.run("""
        import os
        from capsule import task

        @task(name="main")
        def main():
            source = '''
        import os
        from capsule import task

        @task(name="late", env_variables=["API_KEY"])
        def late():
            return os.environ.get("API_KEY")

        outcome = late()
        '''
            import textwrap
            scope = {"__name__": "late"}
            try:
                exec(textwrap.dedent(source), scope)
            except Exception as error:
                return [type(error).__name__, str(error)]
            return scope["outcome"]
    """)
    assert envelope.success, envelope
    assert envelope.result["error"]["error_type"] == "invalid_call"
    assert "late" in envelope.result["error"]["message"]
