"""How the text of a value is shown where there is room for its beginning alone."""

import json

import pytest

from background.base import exact


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"k": "값"}, '{"k": "값"}'),
        ("😱", '"😱"'),
        ('a "b"\n\\u0041', r'"a \"b\"\n\\u0041"'),
        ("turned \u202e", r'"turned \u202e"'),
        ("half \ud800", r'"half \ud800"'),
    ],
)
def test_letters_stand_in_place_of_their_escapes(value: object, shown: str) -> None:
    assert exact.beginning(json.dumps(value), 100) == shown


def test_nothing_is_left_of_an_escape_that_was_cut() -> None:
    text = json.dumps("값값")
    assert {exact.beginning(text, most) for most in range(7, 13)} == {'"값'}
    assert exact.beginning(r'"a\\', 3) == '"a'
