"""Event streams while something goes wrong: clients that do not read or vanish, PostgreSQL that goes away."""

import contextlib
import functools
import itertools
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
from sqlalchemy import text

from background.local.postgres import EmbeddedPostgres
from background.storage import connections
from tests.acceptance.event_streams import (
    Api,
    Reader,
    events_of,
    listeners,
    make_job,
    write_event,
    written,
)
from tests.acceptance.test_outages import Outage, outages
from tests.support import transaction, wait_for

MEGABYTE = 1024 * 1024


@pytest.fixture
def api(postgres: object, valkey: object, tmp_path: Path) -> Iterator[Api]:
    """An API of its own, that nobody else listens to."""
    api = Api(tmp_path / "api.log")
    api.start()
    yield api
    api.stop()


@pytest.fixture
def asked(api: Api) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=f"http://127.0.0.1:{api.port}", timeout=20) as client:
        yield client


def heard(reader: Reader, job_id: int) -> bool:
    """Whether the reader has got anything; if not, there is one more event for it to get."""
    if not reader.ids:
        add_event(job_id)
    return bool(reader.ids)


def new_job(*, characters: int = 0) -> int:
    """A job that nobody will run, in PostgreSQL."""
    with transaction() as connection:
        return make_job(connection, characters=characters)


def add_event(job_id: int, *, status: str = "PENDING") -> None:
    """One more event of it, in PostgreSQL."""
    with transaction() as connection:
        write_event(connection, job_id, status=status)


@contextlib.contextmanager
def deaf(api: Api, path: str, *, last: str | None = None) -> Iterator[None]:
    """A client that asks for this stream and then reads nothing at all."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", api.port))
        header = "" if last is None else f"Last-Event-ID: {last}\r\n"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n".encode())
        yield


@contextlib.contextmanager
def following(api: Api, path: str = "/events") -> Iterator[Reader]:
    """Somebody who reads this stream, until the block ends."""
    reader = Reader([api], path=path)
    reader.start()
    try:
        yield reader
    finally:
        reader.done.set()


def test_a_client_that_does_not_read_is_dropped_and_others_go_on(api: Api) -> None:
    large, small = new_job(characters=2 * MEGABYTE), new_job()
    assert api.process is not None
    with deaf(api, f"/jobs/{large}/events"), deaf(api, "/events"), following(api) as reader:
        wait_for(lambda: heard(reader, small), what="the first event")

        def both_are_dropped() -> bool:
            add_event(large)
            return api.process is not None and api.process.output.count("was dropped") == 2

        wait_for(both_are_dropped, what="that the deaf clients are dropped")
        add_event(small)
        expected = written([large, small])
        wait_for(lambda: reader.ids and reader.ids[-1] == expected[-1], what="the last event")
        assert reader.ids == expected[-len(reader.ids) :]
        # What it was sent already waits in its connection, which nobody will ever read.
        assert api.stop() in (0, -signal.SIGTERM)


def test_a_client_that_catches_up_without_reading_takes_no_memory(api: Api) -> None:
    large, small = new_job(characters=2 * MEGABYTE), new_job()
    for _ in range(20):
        add_event(large)
    assert api.process is not None
    process = psutil.Process(api.process.popen.pid)
    with deaf(api, "/events", last="0-0-0"), following(api, f"/jobs/{small}/events") as reader:
        for number in range(1, 101):
            add_event(large)
            add_event(small)
            wait_for(functools.partial(reader.has, number), what="the event")
        # Each of these 100 events would have been two megabytes. What waits for the other is kept for seconds.
        wait_for(lambda: process.memory_info().rss < 250 * MEGABYTE, what="the memory to be given back")


def test_sigterm_ends_an_api_whose_client_does_not_read(api: Api) -> None:
    large = new_job(characters=8 * MEGABYTE)
    add_event(large)
    with deaf(api, f"/jobs/{large}/events"), following(api) as reader:
        wait_for(lambda: heard(reader, large), what="an event")
        assert api.stop() in (0, -signal.SIGTERM)


@pytest.mark.parametrize("resumed", [False, True])
def test_nothing_is_lost_or_doubled_when_events_come_while_streams_begin(api: Api, resumed: bool) -> None:
    job = new_job()
    add_event(job)
    newest = 1
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.003):
            add_event(job)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            with ExitStack() as stack:
                streams = []
                for _ in range(80):
                    client = stack.enter_context(socket.create_connection(("127.0.0.1", api.port), 20))
                    header = f"Last-Event-ID: {newest - 1}\r\n" if resumed else ""
                    client.sendall(f"GET /jobs/{job}/events HTTP/1.0\r\nHost: localhost\r\n{header}\r\n".encode())
                    streams.append(stack.enter_context(client.makefile()))
                for stream in streams:
                    assert " 200 " in next(stream)
                    lines = itertools.dropwhile(bool, (line.rstrip("\n") for line in stream))
                    numbers = [int(each["id"]) for each in itertools.islice(events_of(lines), 30)]
                    assert numbers == list(range(numbers[0], numbers[0] + 30))
                    assert numbers[0] == newest if resumed else numbers[0] >= newest
            newest = int(written([job])[-1].split("-")[2])
    finally:
        done.set()
        writer.join()


def test_a_job_that_is_deleted_ends_its_stream(asked: httpx.Client) -> None:
    job = new_job()
    add_event(job)
    with asked.stream("GET", f"/jobs/{job}/events") as stream:
        lines = stream.iter_lines()
        assert next(events_of(lines))["id"] == "1"
        with transaction() as connection:
            connection.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": job})
        assert list(events_of(lines)) == []
    assert asked.get(f"/jobs/{job}/events").status_code == 404


def test_a_long_transaction_elsewhere_delays_the_stream_of_all_jobs_alone(api: Api, asked: httpx.Client) -> None:
    watched, elsewhere, marker = new_job(), new_job(), new_job()
    add_event(watched)
    with following(api) as reader:
        wait_for(lambda: heard(reader, marker), what="the first event")
        with connections.get_engine().connect() as other, other.begin():
            other.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            write_event(other, elsewhere)
            with asked.stream("GET", f"/jobs/{watched}/events") as stream:
                events = events_of(stream.iter_lines())
                assert next(events)["id"] == "1"
                add_event(watched)
                assert next(events)["id"] == "2"
                add_event(watched, status="CANCELLED")
                assert [event["id"] for event in events] == ["3"]
            assert not [each for each in reader.ids if each.split("-")[1] == str(watched)]
        expected = written([watched, elsewhere])
        wanted = [each for each in expected if each.split("-")[1:] != [str(watched), "1"]]

        def received() -> list[str]:
            return [each for each in reader.ids if int(each.split("-")[1]) in (watched, elsewhere)]

        wait_for(lambda: len(received()) >= len(wanted), what="what was held back")
        assert received() == wanted


def killed(server: EmbeddedPostgres) -> contextlib.AbstractContextManager[None]:
    """The server crashes, and is started again at once."""

    @contextlib.contextmanager
    def crash() -> Iterator[None]:
        server.kill()
        server.start()
        server.wait_ready()
        yield

    return crash()


@pytest.mark.parametrize("outage", [*outages.args[1], killed])
def test_streams_outlive_postgresql(api: Api, postgres: EmbeddedPostgres, outage: Outage) -> None:
    job, ending = new_job(), new_job()
    with (
        following(api) as of_all,
        following(api, f"/jobs/{job}/events") as of_one,
        following(api, f"/jobs/{ending}/events") as of_ending,
    ):
        add_event(ending)
        wait_for(lambda: heard(of_all, job), what="the first event")
        wait_for(lambda: of_one.ids and of_ending.ids, what="the first events")
        for _ in range(2):
            add_event(job)
            with outage(postgres), socket.socket() as client:
                client.settimeout(20)
                client.connect(("127.0.0.1", api.port))
                client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                if outage is not killed:
                    assert b" 503 " in client.recv(100)
            add_event(job)
        add_event(ending, status="CANCELLED")
        expected = written([job, ending])
        wait_for(lambda: of_all.ids[-1] == expected[-1], what="the last event of all")
        wait_for(lambda: of_ending.ids[-1] == "2", what="the end")
        count = sum(each.split("-")[1] == str(job) for each in expected)
        wait_for(lambda: int(of_one.ids[-1]) == count, what="the last event of the job")
        assert of_all.ids == expected[-len(of_all.ids) :]
        assert [*map(int, of_one.ids)] == list(range(int(of_one.ids[0]), count + 1))
        assert of_ending.ids in (["1", "2"], ["2"])
    assert api.process is not None
    assert "Traceback" not in api.process.output


def test_a_lost_connection_for_notifications_is_made_again(api: Api) -> None:
    job = new_job()
    with following(api) as reader:
        wait_for(lambda: heard(reader, job), what="the first event")
        before = wait_for(listeners, what="a listener")
        with transaction() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": before[0]})
        assert wait_for(lambda: set(listeners()) - set(before), what="a new listener")
        add_event(job)
        wait_for(lambda: reader.ids[-1] == written([job])[-1], what="the last event")


def test_clients_that_vanish_leave_nothing_behind(api: Api) -> None:
    job = new_job()
    assert api.process is not None
    process = psutil.Process(api.process.popen.pid)

    def connections() -> int:
        return sum(
            each.status != psutil.CONN_LISTEN and each.laddr.port == api.port for each in process.net_connections()
        )

    with ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", api.port), 20))
            path = "/events" if number % 2 else f"/jobs/{job}/events"
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert b" 200 " in client.recv(20)
            # It vanishes with a reset, not with a good-bye.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert connections() == 200
        wait_for(lambda: len(listeners()) == 1, what="one listener for all")
    wait_for(lambda: connections() == 0, what="that the connections are gone")
    wait_for(lambda: not listeners(), what="that nobody listens")
    with following(api) as reader:
        wait_for(lambda: heard(reader, job), what="an event for a new client")


def test_comments_show_that_idle_streams_live(asked: httpx.Client) -> None:
    asked.timeout = httpx.Timeout(15)
    with asked.stream("GET", "/events") as of_all, asked.stream("GET", f"/jobs/{new_job()}/events") as of_one:
        for stream in (of_all, of_one):
            comments = (line for line in stream.iter_lines() if line.startswith(":"))
            assert [next(comments) for _ in range(2)]
