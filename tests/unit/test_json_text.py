"""JSON that people write: the place of a mistake, and what would not arrive as it was written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.domain.json_text import excerpt, laid_out, parse_object, path_of, read_text
from dashboard.errors import InvalidInput, InvalidJson


def refused(text: str) -> InvalidJson:
    with pytest.raises(InvalidJson) as found:
        parse_object(text)
    return found.value


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("{", 1, 2),
        ('{"a": 1,}', 1, 9),
        ('{\n  "a": 1\n  "b": 2\n}', 3, 3),
        ('{"a": "x\ny"}', 1, 9),
        ('{"a": 1} trailing', 1, 10),
        ("'a'", 1, 1),
    ],
)
def test_the_place_is_exact(text: str, line: int, column: int) -> None:
    error = refused(text)
    assert (error.line, error.column) == (line, column)
    assert f"line {line}, column {column}" in error.what


def test_the_caret_stands_under_the_place_also_in_a_long_line() -> None:
    for padding in (0, 10, 60, 5000):
        text = '{"a": "' + "x" * padding + '" oops}'
        error = refused(text)
        shown, caret = error.excerpt.split("\n")[-2:]
        assert shown[caret.index("^")] == "o"
        assert len(shown) < 120


def test_letters_that_would_move_the_caret_are_blanks() -> None:
    error = refused('{"\u202ea\u200b":\t1 oops}')
    shown, caret = error.excerpt.split("\n")[-2:]
    assert "\u202e" not in shown
    assert shown[caret.index("^")] == "o"


@given(st.text(max_size=300))
def test_any_text_is_an_object_or_a_refusal_in_words(text: str) -> None:
    try:
        found: object = parse_object(text)
    except InvalidInput as error:
        found = error
    if isinstance(found, InvalidJson):
        assert found.excerpt.split("\n")[-1].endswith("^")
        assert 1 <= found.line <= text.count("\n") + 1
    elif isinstance(found, InvalidInput):
        assert found.what
    else:
        assert isinstance(found, dict)


@given(st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=9) | st.none(), max_size=5))
def test_laid_out_it_is_the_same(value: dict[str, object]) -> None:
    assert json.loads(laid_out(json.dumps(value))) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": {"b": 1, "b": 2}}', "'b' stands twice"),
        ('{"a": -Infinity}', "-Infinity is no JSON number"),
        ('{"a": 1e400}', "too large"),
        ('{"a": ' + "1" * 5000 + "}", "too large"),
        ("[]", "must be one object"),
        (" \n", "There is no JSON yet"),
    ],
)
def test_what_would_not_arrive_as_written_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_object(text)


def test_a_file_is_utf_8_with_or_without_its_mark() -> None:
    assert read_text(b"\xef\xbb\xbf{}") == "{}"
    with pytest.raises(InvalidInput, match="byte 2 cannot be read"):
        read_text(b"{}\xff")


@pytest.mark.parametrize(
    ("field", "path"),
    [("logs.3", "$.logs[3]"), ("title", "$.title"), ("", "$"), ("metrics.a", "$.metrics.a")],
)
def test_fields_are_named_by_their_path(field: str, path: str) -> None:
    assert path_of(field) == path


def test_the_line_before_is_shown_too() -> None:
    assert excerpt("one\ntwo\nthree", 2, 1) == "     1 | one\n     2 | two\n       | ^"
