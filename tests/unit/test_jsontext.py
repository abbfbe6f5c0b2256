"""What counts as JSON that every part can hold."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from background.base import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, [-math.inf], "\ud800", {"\udfff": 1}, "a\x00b", {"\x00": 1}, {1, 2}]
)
def test_what_cannot_be_stored_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        jsontext.dumps(value)


def test_nesting_without_end_is_refused() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        jsontext.dumps(value)


@pytest.mark.parametrize("value", ["\\u0000", "\\\\u0000", "back\\slash", "한국어", "😀", 10**400, None])
def test_what_only_looks_odd_is_kept(value: object) -> None:
    assert json.loads(jsontext.dumps(value)) == value


@given(VALUES)
def test_a_value_is_refused_or_comes_back(value: object) -> None:
    try:
        text = jsontext.dumps(value)
    except ValueError:
        return
    assert json.loads(text) == value
    assert "\x00" not in json.dumps(json.loads(text), ensure_ascii=False).replace("\\u0000", "")


DIGITS = st.integers(1, 400).map(lambda number: "9" * number)
NUMBERS = st.tuples(DIGITS, st.sampled_from(["", ".5"]), st.sampled_from(["", "e9", "E+99", "e-400", "e400", "e0308"]))


@given(
    st.tuples(VALUES, st.booleans()).map(lambda each: json.dumps(each[0], ensure_ascii=each[1]))
    | NUMBERS.map(lambda each: f"[{''.join(each)}]")
    | st.sampled_from(['"\\\\u0000"', '"\\u0000"', '"\\uD83D\\uDE00"', '"\\uDe00"', "-Infinity", '{"a\\u0000": NaN}'])
)
def test_what_is_read_is_refused_as_if_it_was_written_again(text: str) -> None:
    value = json.loads(text)
    try:
        jsontext.dumps(value)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            jsontext.require_storable(value, text)
    else:
        jsontext.require_storable(value, text)


@given(st.text(st.characters()))
def test_any_text_can_be_cleaned(text: str) -> None:
    cleaned = jsontext.clean_text(text)
    cleaned.encode()
    assert "\x00" not in cleaned


@given(VALUES)
def test_numbers_are_what_jsonb_gives_back_and_nothing_else_changes(value: object) -> None:
    try:
        text = jsontext.dumps(value)
    except ValueError:
        return
    kept = jsontext.as_kept(text)
    assert json.loads(kept) == value
    assert shapes(json.loads(kept)) == shapes(value)
    assert kept == text or "e+" in text or "-0.0" in text


def shapes(value: object) -> object:
    """The types in it, by which an integer is no float."""
    if isinstance(value, list):
        return [*map(shapes, value)]
    return {key: shapes(each) for key, each in value.items()} if isinstance(value, dict) else type(value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('[1e+22, "1e+22", -0.0, "-0.0"]', '[10000000000000000000000.0, "1e+22", 0.0, "-0.0"]'),
        (r'{"a\"": -1.5e+16, "\\": 1}', r'{"a\"": -15000000000000000.0, "\\": 1}'),
        ("[-0.05, 1e-07, 1.7e+308]", f"[-0.05, 1e-07, 17{'0' * 307}.0]"),
    ],
)
def test_a_number_has_no_exponent_and_zero_no_sign(text: str, kept: str) -> None:
    assert jsontext.as_kept(text) == kept
