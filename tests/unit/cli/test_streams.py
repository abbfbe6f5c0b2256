"""Reading server-sent events (WHATWG HTML, 9.2.6)."""

import pytest

from background.cli.streams import Event, parse

WHOLE = b": hello\n\nid: 7\nevent: started\ndata: {}\n\n"


def events(text: bytes) -> list[Event]:
    return list(parse(text.splitlines(keepends=True)))


@pytest.mark.parametrize("text", [WHOLE, WHOLE.replace(b"\n", b"\r\n"), WHOLE.replace(b": ", b":")])
def test_an_event_has_an_id_a_kind_and_data(text: bytes) -> None:
    assert events(text) == [Event("7", "started", "{}")]


def test_data_in_several_lines_is_one_text() -> None:
    assert events(b"data: a\ndata\ndata:  b\n\n") == [Event(None, "message", "a\n\n b")]


def test_an_id_lasts_until_the_next_and_a_kind_does_not() -> None:
    assert events(b"id: 1\nevent: x\ndata: a\n\ndata: b\n\nid\ndata: c\n\n") == [
        Event("1", "x", "a"),
        Event("1", "message", "b"),
        Event("", "message", "c"),
    ]


def test_an_id_may_come_alone() -> None:
    assert events(b"id: here\n\n") == [Event("here", "message", "")]


def test_an_event_that_is_cut_off_is_left_out() -> None:
    assert events(b"id: 1\ndata: a\n\nid: 2\ndata: b\n") == [Event("1", "message", "a")]


def test_what_means_nothing_is_passed_over() -> None:
    assert events(b":\n\n\nretry: 5\nother: x\nid: a\0b\nevent\ndata: \xff\n\n") == [Event(None, "message", "�")]
