from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.build.pipeline import BuildHost
from capsule.errors import BuildError, ConfigError
from capsule.frontend.spec import Frontend, Inputs, Source
from capsule_wat.frontend import COMPONENT_HEADER, WatFrontend

HOST = BuildHost("wat", lambda message: None)
SOURCE = Source(Path("/nowhere/main.wat"), Path("/nowhere"))


def inputs(text):
    return Inputs({"main.wat": text if isinstance(text, bytes) else text.encode()})


def discover(text):
    return WatFrontend().discover(SOURCE, inputs(text), HOST)


def assemble(text):
    return WatFrontend().compile(SOURCE, inputs(text), HOST, snapshot=False)


def test_it_is_a_frontend():
    assert isinstance(WatFrontend(), Frontend)


def test_comments_declare_tasks_with_options_of_every_type():
    text = """
    ;; a component
    ;; @task main compute=LOW ram="16MB" max_retries=2 allowed_hosts=["a.com", "*.b.com"]
    ;;@task other timeout=5s
    (component)"""
    main, other = discover(text)
    assert (main.name, str(main.location)) == ("main", "main.wat:3")
    hosts = ["a.com", "*.b.com"]
    assert main.options == {"compute": "LOW", "ram": "16MB", "max_retries": 2, "allowed_hosts": hosts}
    assert (other.name, other.options) == ("other", {"timeout": "5s"})


@pytest.mark.parametrize(
    "line", ["; @task main", ";; task main", "(component) ;; @task main", ";; @tasks main"]
)
def test_other_lines_declare_nothing(line):
    with pytest.raises(BuildError, match="declares no task") as caught:
        discover(line)
    assert ";; @task main" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (";; @task", "a task has a name"),
        (";; @task compute=LOW", "a task has a name"),
        (";; @task main compute", "this is no option: compute"),
        (";; @task main compute = LOW", "this is no option: compute = LOW"),
        (';; @task main ram="16MB', 'this is no option: ram="16MB'),
        (";; @task main hosts=[a]", "no JSON"),
        (";; @task main ram=1 ram=2", "given twice"),
    ],
)
def test_a_declaration_that_cannot_be_read_is_an_error_in_its_line(line, words):
    with pytest.raises(BuildError) as caught:
        discover(f"\n\n{line}\n(component)")
    assert words in caught.value.message
    assert str(caught.value.location) == "main.wat:3"


@given(st.text())
def test_any_comment_declares_a_task_or_is_an_error_for_people(text):
    try:
        tasks = discover(f";; @task {text}")
    except BuildError as error:
        places = [error.location]
    else:
        places = [task.location for task in tasks]
        assert all(task.name for task in tasks)
    assert {place.file for place in places} == {"main.wat"}


@given(st.binary())
def test_any_bytes_are_a_component_or_an_error_for_people(content):
    try:
        made = WatFrontend().compile(SOURCE, inputs(content), HOST, snapshot=False)
    except BuildError as error:
        refused = error.location.file == "main.wat"
    else:
        refused = False
        assert made.wasm.startswith(COMPONENT_HEADER)
    assert refused or content.strip()


def test_a_mistake_in_the_text_is_an_error_in_its_line():
    with pytest.raises(BuildError, match=r"^main\.wat:2: unknown core instance: .*nope"):
        assemble('(component\n (func $x (canon lift (core func $nope "r"))))')


def test_a_core_module_is_refused_with_a_hint():
    with pytest.raises(BuildError, match="core module") as caught:
        assemble("(module)")
    assert "(component" in caught.value.hint


def test_text_that_is_not_utf_8_is_an_error_in_its_line():
    with pytest.raises(BuildError, match=r"^main\.wat:2: this is not UTF-8"):
        assemble(b"(component\n\xff)")


def test_settings_that_are_unknown_are_an_error():
    with pytest.raises(ConfigError, match="has no key 'speed'"):
        WatFrontend().inputs(Source(SOURCE.path, SOURCE.root, {"speed": 1}), HOST)


def test_a_file_that_cannot_be_read_is_an_error():
    with pytest.raises(BuildError, match=r"^main\.wat: can't be read"):
        WatFrontend().inputs(SOURCE, HOST)
