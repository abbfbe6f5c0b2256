"""Reading server-sent events (WHATWG HTML, 9.2.6)."""

import pytest

from background.client.events import Parser, ServerEvent

WHOLE = b": hello\n\nid: 7\nevent: started\ndata: {}\n\n"


def events(text: bytes, *, size: int = 1 << 20) -> list[ServerEvent]:
    parser = Parser()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_events_come_in_pieces(size: int) -> None:
    text = "id: 1\r\ndata: 하나 \u2028\r\n\r\nevent: x\ndata: 2\n\n".encode()
    assert events(text, size=size) == [ServerEvent("1", "message", "하나 \u2028"), ServerEvent("1", "x", "2")]


@pytest.mark.parametrize("text", [WHOLE, WHOLE.replace(b"\n", b"\r\n"), WHOLE.replace(b": ", b":")])
def test_an_event_has_an_id_a_kind_and_data(text: bytes) -> None:
    assert events(text) == [ServerEvent("7", "started", "{}")]


def test_data_in_several_lines_is_one_text() -> None:
    assert events(b"data: a\ndata\ndata:  b\n\n") == [ServerEvent(None, "message", "a\n\n b")]


def test_an_id_lasts_until_the_next_and_a_kind_does_not() -> None:
    assert events(b"id: 1\nevent: x\ndata: a\n\ndata: b\n\nid\ndata: c\n\n") == [
        ServerEvent("1", "x", "a"),
        ServerEvent("1", "message", "b"),
        ServerEvent("", "message", "c"),
    ]


def test_an_id_may_come_alone() -> None:
    assert events(b"id: here\n\n") == [ServerEvent("here", "message", "")]


def test_an_event_that_is_cut_off_is_left_out() -> None:
    assert events(b"id: 1\ndata: a\n\nid: 2\ndata: b\n") == [ServerEvent("1", "message", "a")]


def test_what_means_nothing_is_passed_over() -> None:
    assert events(b":\n\n\nretry: 5\nother: x\nid: a\0b\nevent\ndata: \xff\n\n") == [ServerEvent(None, "message", "�")]
