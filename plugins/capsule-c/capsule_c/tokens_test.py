import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_c.tokens import tokenize


def texts(content, part="code"):
    return [token.text for token in getattr(tokenize(content.encode()), part)]


def test_comments_and_literals_hide_what_is_in_them():
    found = texts("""a /* b */ "c // d" 'e' // f "g"\nh /* i\n j */ k""")
    assert found == ["a", '"c // d"', "'e'", "h", "k"]


def test_escapes_do_not_end_a_literal():
    assert texts(r'"a\"b" c "\\" d') == [r'"a\"b"', "c", r'"\\"', "d"]


def test_raw_strings_end_where_they_say():
    assert texts('R"x(a)" b )x" c') == ['R"x(a)" b )x"', "c"]
    assert texts('u8R"(a\n")" c') == ['u8R"(a\n")"', "c"]


def test_a_digit_separator_is_no_literal():
    assert texts("1'000'000 + 'a'") == ["1'000'000", "+", "'a'"]


def test_lines_count_through_splices_and_comments():
    tokens = tokenize(b'a\\\nb c\n/* x\n */ d\n"s\\\nt" e\n').code
    assert [(token.text, token.line) for token in tokens] == [
        ("ab", 1),
        ("c", 2),
        ("d", 4),
        ('"st"', 5),
        ("e", 6),
    ]


def test_directives_are_apart_from_code():
    tokens = tokenize(b'x\n # /* y */ include <a/b.h> // z\n#if A \\\n && B\ny # include "no"\n%:embed "e"')
    assert [(found.name, found.line) for found in tokens.directives] == [
        ("include", 2),
        ("if", 3),
        ("embed", 6),
    ]
    assert tokens.directives[0].text == "<a/b.h>"
    assert [token.text for token in tokens.code] == ["x", "y", "#", "include", '"no"']


def test_a_directive_that_is_spliced_apart_is_still_one():
    [directive] = tokenize(b'#inc\\\nlude \\\n"a.h"').directives
    assert (directive.name, directive.text) == ("include", '"a.h"')


@pytest.mark.parametrize("open_end", [b'"abc', b"'a", b"/* abc", b'R"x(abc', b"abc\\", b"\xff\xfe\x00"])
def test_what_never_ends_and_what_is_no_text_is_no_error(open_end):
    tokenize(b"int a;\n" + open_end)


@given(st.binary(max_size=300))
def test_any_bytes_are_tokens(content):
    tokens = tokenize(content)
    lines = content.count(b"\n") + 1
    for found in (*tokens.code, *tokens.comments, *tokens.directives):
        assert 1 <= found.line <= lines


@given(
    st.lists(
        st.sampled_from(['"', "'", "/*", "*/", "//", "\\\n", "\n", "#", 'R"(', ')"', "a", " "]), max_size=60
    )
)
def test_lines_never_go_back(parts):
    content = "".join(parts).encode()
    found = [token.line for token in tokenize(content).code]
    assert found == sorted(found)


def test_a_hostile_file_takes_time_that_grows_with_its_size():
    pieces = (b'R"(', b"/*", b'"\\', b"\\\n", b"'", b"#x ", b"1e+")

    def seconds(times):
        started = time.process_time()
        for piece in pieces:
            tokenize(piece * times)
        return time.process_time() - started

    seconds(1000)
    # Ten times the size would be a hundred times the time if it grew with its square. A try may be disturbed.
    assert any(seconds(40_000) < 40 * max(seconds(4_000), 0.01) for _ in range(3))
