from __future__ import annotations

import asyncio
import inspect
from typing import get_overloads

import pytest

from capsule import Envelope, TaskError, task
from capsule.policy.options import OPTIONS


@task
def double(number: int) -> int:
    """Twice the number."""
    return number * 2


@task(name="shouted", compute="LOW", ram="64MB")
def shout(word: str, *, mark: str = "!") -> str:
    return word.upper() + mark


@task
def broken() -> None:
    raise ValueError("broken")


@task
def outer(number: int) -> Envelope:
    return double(number)


@task
async def nap(number: int) -> int:
    await asyncio.sleep(0)
    return number


@task
async def gather() -> list[int]:
    envelopes = await asyncio.gather(nap(1), nap(2))
    return [envelope.result for envelope in envelopes]


def test_a_task_is_a_function_that_a_test_can_call():
    assert double(2) == 4
    assert shout("hi", mark="?") == "HI?"
    with pytest.raises(ValueError, match="broken"):
        broken()


def test_a_task_keeps_the_functions_name_and_docstring():
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice the number."
    assert double.__wrapped__(3) == double.function(3) == 6


def test_a_task_has_its_name_and_the_options_that_were_given():
    assert (double.name, double.options) == ("double", {})
    assert (shout.name, shout.options) == ("shouted", {"compute": "LOW", "ram": "64MB"})


def test_a_task_called_by_a_task_gives_its_envelope_as_in_a_sandbox():
    envelope = outer(2)
    assert envelope.unwrap() == 4
    assert envelope["execution"]["task_name"] == "double"


def test_a_failing_sub_task_is_an_envelope_with_the_error():
    @task
    def caller():
        return broken()

    envelope = caller()
    assert envelope.error["error_type"] == "task_error"
    assert envelope.error["message"] == "ValueError: broken"
    assert "task_test.py" in envelope.error["traceback"]
    with pytest.raises(TaskError):
        envelope.unwrap()


def test_after_a_call_tests_see_plain_functions_again():
    outer(1)
    with pytest.raises(ValueError, match="broken"):
        broken()
    assert double(1) == 2


def test_start_and_map_give_envelopes():
    pending = double.start(4)
    assert not pending.done()
    assert pending.outcome().result == 8
    assert pending.done()
    assert [envelope.result for envelope in double.map([1, 2])] == [2, 4]


def test_map_takes_several_iterables_in_step():
    @task
    def add(one, two):
        return one + two

    assert [envelope.result for envelope in add.map([1, 2, 3], [10, 20])] == [11, 22]


def test_a_started_task_runs_once():
    calls = []

    @task
    def count():
        calls.append(1)

    pending = count.start()
    pending.outcome()
    pending.outcome()
    assert calls == [1]


def test_async_tasks_are_awaited():
    assert asyncio.run(nap(3)) == 3
    assert asyncio.run(gather()) == [1, 2]


def test_a_started_async_task_is_awaited_or_waited_for():
    async def program():
        return (await nap.start(5)).result

    assert asyncio.run(program()) == 5
    assert nap.start(6).outcome().result == 6


def test_an_unknown_option_is_a_type_error_that_names_it():
    with pytest.raises(TypeError, match="colour"):
        task(colour="red")


def test_an_option_that_is_none_is_not_given():
    @task(name=None, ram=None, timeout="3s")
    def some():
        pass

    assert (some.name, some.options) == ("some", {"timeout": "3s"})


def test_editors_see_every_option() -> None:
    *_, with_options = get_overloads(task)
    assert list(inspect.signature(with_options).parameters) == ["name", *OPTIONS]


@pytest.mark.parametrize(
    "use",
    [
        lambda it: it + 1,
        lambda it: it["result"],
        lambda it: it.result,
        lambda it: it.unwrap(),
        lambda it: f"{it}",
        lambda it: [*it],
        lambda it: it == 1,
        len,
    ],
)
def test_a_started_task_that_is_used_as_its_outcome_says_what_to_call(use):
    @task
    def some():
        return 1

    with pytest.raises(
        (TypeError, AttributeError), match=r"call .outcome\(\) for its envelope, or await it"
    ) as caught:
        use(some.start())
    assert "the task 'some', which was started" in str(caught.value)
    assert {some.start()}
    assert some.start()
    assert some.start() != some.start()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "use",
    [
        lambda it: it + 1,
        lambda it: it["result"],
        lambda it: it.result,
        lambda it: it.unwrap(),
        lambda it: f"{it}",
        lambda it: [*it],
        lambda it: 1 if it else 2,
        len,
    ],
)
def test_a_call_of_an_async_task_that_is_not_awaited_says_so(use):
    @task
    async def later(number):
        await asyncio.sleep(0)
        return number

    @task
    def main():
        use(later(1))

    with pytest.raises((TypeError, AttributeError), match="call of the task 'later'; write await in front"):
        main()


def test_a_call_of_an_async_task_is_a_coroutine_for_asyncio():
    @task
    async def later(number):
        await asyncio.sleep(0)
        if number < 0:
            raise ValueError(number)
        return number

    @task
    async def main():
        made = [asyncio.create_task(later(1)), asyncio.ensure_future(later(2))]
        found = [*(await asyncio.gather(later(0), *made)), await asyncio.wait_for(later(-1), 5)]
        stopped = asyncio.create_task(later(5))
        await asyncio.sleep(0)
        stopped.cancel()
        found_too = await asyncio.gather(stopped, return_exceptions=True)
        return [one.result for one in found], type(found_too[0])

    assert asyncio.run(main()) == ([0, 1, 2, None], asyncio.CancelledError)
