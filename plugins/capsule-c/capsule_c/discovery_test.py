from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError
from capsule_c.discovery import discover_tasks


def found(text, name="main.c"):
    return [task.declaration for task in discover_tasks({name: text.encode()})]


def test_a_task_has_its_options_and_its_place():
    [task] = found('\n\nCAPSULE_TASK(main, "compute=LOW", "timeout=5s", "max_retries=3") { }')
    assert (task.name, str(task.location)) == ("main", "main.c:3")
    assert task.options == {"compute": "LOW", "timeout": "5s", "max_retries": 3}


def test_lists_are_split_at_commas_and_go_on():
    [task] = found(
        'CAPSULE_TASK(a, "allowed_files=./in:ro, ./out", "allowed_hosts=a.com,*.b.com", "allowed_hosts=c:80")'
    )
    assert task.options == {
        "allowed_files": [{"path": "./in", "mode": "ro"}, "./out"],
        "allowed_hosts": ["a.com", "*.b.com", "c:80"],
    }


def test_an_empty_list_is_a_list():
    assert found('CAPSULE_TASK(a, "allowed_hosts=")')[0].options == {"allowed_hosts": []}


def test_a_task_may_have_a_name_that_is_no_identifier():
    [task] = discover_tasks({"a.c": b'CAPSULE_TASK(analyze_data, "name=analyze-data")'})
    assert (task.declaration.name, task.function) == ("analyze-data", "analyze_data")


def test_literals_side_by_side_and_escapes_are_one_text():
    assert found(r'CAPSULE_TASK(a, "allowed_" "files=./\"x\"")')[0].options == {"allowed_files": ['./"x"']}


def test_tasks_in_comments_strings_and_directives_are_none():
    assert (
        found(
            '// CAPSULE_TASK(a)\n/* CAPSULE_TASK(b) */ char *s = "CAPSULE_TASK(c)";\n#pragma CAPSULE_TASK(d)'
        )
        == []
    )


def test_tasks_come_in_the_order_of_the_files():
    tasks = discover_tasks(
        {"b.c": b"CAPSULE_TASK(one) {} CAPSULE_TASK(two) {}", "a.c": b"CAPSULE_TASK(three) {}"}
    )
    assert [task.declaration.name for task in tasks] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CAPSULE_TASK(main, LOW)", "plain string literals, not LOW"),
        ("CAPSULE_TASK(main, )", "plain string literals, not nothing"),
        ('CAPSULE_TASK(main, L"compute=LOW")', "plain string literals"),
        ('CAPSULE_TASK(main, "compute")', "has no value"),
        ('CAPSULE_TASK(main, "compute=LOW", "compute=HIGH")', "given twice"),
        (r'CAPSULE_TASK(main, "compute=\x41")', "can't be used"),
        ('CAPSULE_TASK("main")', "plain C identifier"),
        ("CAPSULE_TASK()", "plain C identifier"),
        ("CAPSULE_TASK(main", "never closed"),
        ("CAPSULE_TASK", "parentheses"),
        ("#define T(x) CAPSULE_TASK(x)", "#define"),
        ('CAPSULE_TASK(main, "compute=LOW)\n', "never closed"),
    ],
)
def test_a_mistake_is_named_with_its_line(text, says):
    with pytest.raises(BuildError, match=r"main\.c:2") as caught:
        found("\n" + text)
    assert says in caught.value.message


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\\\r\n,"), max_size=40))
def test_any_value_comes_back_as_it_was_written(value):
    written = value.replace('"', '\\"')
    [task] = found(f'CAPSULE_TASK(main, "compute={written}")')
    assert task.options == {"compute": value.strip()}


@given(st.text(max_size=200))
def test_any_text_is_tasks_or_an_error_for_people(text):
    content = ("CAPSULE_TASK(main, " + text).encode("utf-8", "surrogatepass")
    with suppress(BuildError):
        discover_tasks({"main.c": content})
