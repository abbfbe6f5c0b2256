"""A stream is followed across everything that can interrupt it: a real HTTP server, which misbehaves to plan."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from background.client import ClientError, NotAllowed, NotTheApi, Unavailable, Unreachable
from background.client.api import Api

Answer = Callable[[BaseHTTPRequestHandler], None]


def streams(*numbers: int, cut: bool = False) -> Answer:
    """An answer with these events; `cut` in the middle of one more."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        text = "".join(f"id: {number}\nevent: x\ndata: {number}\n\n" for number in numbers)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in (text, "id: 99\ndata: half") if cut else (text, ""):
            size = len(part) + 50 if cut and part != text else len(part)
            handler.wfile.write(f"{size:x}\r\n{part}\r\n".encode())

    return answer


def place(cursor: str) -> Answer:
    """An answer that only says where it goes on from."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(f"id: {cursor}\n\n".encode())

    return answer


def status(number: int) -> Answer:
    """An answer with nothing but a status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(number)
        handler.end_headers()

    return answer


def page(handler: BaseHTTPRequestHandler) -> None:
    """Somebody else's web page."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    handler.wfile.write(b"<p>Hello</p>")


@contextmanager
def server(*answers: Answer) -> Iterator[tuple[Api, list[str | None]]]:
    """A client of a server that gives these answers in turn, and the `Last-Event-ID` of each request."""
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            asked.append(self.headers["Last-Event-ID"])
            self.close_connection = True
            answers[len(asked) - 1](self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Api(f"http://127.0.0.1:{running.server_port}", patience=0), asked
        finally:
            running.shutdown()
            thread.join()


def test_every_event_comes_once_and_the_end_is_the_end() -> None:
    answers = [streams(1, 2, cut=True), status(503), streams(3), streams(), streams(4), status(204)]
    with server(*answers) as (api, asked):
        reasons: list[str] = []
        opened: list[None] = []
        found = api.follow("/events", opened=lambda: opened.append(None), interrupted=reasons.append)
        assert [event.data for event in found] == ["1", "2", "3", "4"]
        assert asked == [None, "2", "2", "3", "3", "4"]
        assert len(opened) == 4
        assert reasons
        assert "503" in reasons[0]


def test_a_place_alone_is_gone_on_from_and_is_no_progress() -> None:
    with server(place("a"), place("b"), status(204)) as (api, asked):
        reasons: list[str] = []
        assert list(api.follow("/events", interrupted=reasons.append)) == []
        assert asked == [None, "a", "b"]
        assert reasons == ["The stream was cut."]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(503), Unavailable),
        (status(401), NotAllowed),
        (status(302), NotTheApi),
        (page, NotTheApi),
    ],
)
def test_what_does_not_even_begin_is_told_at_once(answer: Answer, kind: type[ClientError]) -> None:
    with server(answer) as (api, asked):
        with pytest.raises(kind):
            list(api.follow("/events"))
        assert len(asked) == 1


def test_a_key_that_is_taken_back_ends_it() -> None:
    with server(streams(1), status(403)) as (api, _):
        found = api.follow("/events")
        assert next(found).data == "1"
        with pytest.raises(NotAllowed, match="403"):
            next(found)


def test_an_api_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("background.client.events.PATIENCE_SECONDS", 0.5)
    with server(streams(1)) as (api, _):
        found = api.follow("/events")
        assert next(found).data == "1"
    with pytest.raises(Unreachable, match="Connection refused"):
        next(found)


def test_every_request_carries_the_key_and_no_redirect_takes_it_elsewhere() -> None:
    keys: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        keys.append(handler.headers["X-API-Key"])
        handler.send_response(307)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.send_header("Connection", "close")
        handler.end_headers()

    with server(*[answer] * 3) as (api, _):
        keyed = Api(api.url, "secret")
        for ask in (lambda: keyed.get("/jobs"), lambda: keyed.post("/jobs"), lambda: list(keyed.follow("/events"))):
            with pytest.raises(NotTheApi, match="307"):
                ask()
    assert keys == ["secret"] * 3
    assert "secret" not in repr(keyed)
