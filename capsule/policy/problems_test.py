from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import Location
from capsule.policy.problems import SHOWN, invalid, name_hint, show

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(anything)
def test_shown_values_are_short_and_printable(value: object) -> None:
    text = show(value)
    assert text.isprintable()
    # A cut text, its quotes and escapes: \U0010ffff is ten characters for one.
    assert len(text) <= 10 * SHOWN + 6


def test_a_huge_integer_is_shown_by_its_size() -> None:
    assert show(10**10_000) == "an integer of 33220 bits"
    assert show([10**10_000]) == "[an integer of 33220 bits]"


def test_an_object_whose_repr_fails_is_shown_by_its_type() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert show(Broken()) == "a value of type Broken"


def test_an_error_names_option_value_problem_place_and_what_is_accepted() -> None:
    error = invalid("ram", "12XB", "not a size", "a size", Location("main.py", 3))
    assert str(error) == "main.py:3: ram = '12XB': not a size\nhint: write a size"


def test_a_name_hint_gives_the_nearest_name_first() -> None:
    assert name_hint("TIMOUT", ["timeout", "ram"]) == 'did you mean "timeout"? valid names are timeout, ram'
    assert name_hint("zzz", ["timeout", "ram"]) == "valid names are timeout, ram"
