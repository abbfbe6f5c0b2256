"""Clients that would stop the service for others: silent, half-sent, deaf, greedy."""

import contextlib
import re
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest

from tests.acceptance.test_api_keys import KEYS, READ, WRITE
from tests.acceptance.test_bad_input import assert_problem
from tests.support import Process, free_port, is_served, running_api, wait_for

HEAD = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"


@contextlib.contextmanager
def connected(client: httpx.Client, *sent: bytes) -> Iterator[list[socket.socket]]:
    """One connection for each of what is sent."""
    address = (client.base_url.host, client.base_url.port or 0)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(address, 60)) for _ in sent]
        for each, text in zip(sockets, sent, strict=True):
            each.sendall(text)
        yield sockets


@contextlib.contextmanager
def own_api(tmp_path: Path, *before: str, env: dict[str, str] | None = None) -> Iterator[tuple[httpx.Client, Process]]:
    """An API whose process the test looks at; `before` is a program that starts it."""
    port = free_port()
    words = [*before, sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    process = Process(words, log=tmp_path / "api.log", env=env)
    try:
        wait_for(lambda: is_served(port), what="the API")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client, process
    finally:
        process.stop()


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the server closes; fails when it does not within a minute."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("keys", ["", KEYS])
@pytest.mark.usefixtures("postgres", "valkey")
def test_who_sends_nothing_more_is_closed(tmp_path: Path, keys: str) -> None:
    with (
        running_api(tmp_path / "api.log", env={"API_KEYS": keys}) as client,
        connected(client, b"", b"G", HEAD, BODY, HEAD + b"\r\n") as (*silent, body, second),
    ):
        begun = second.recv(4096)
        second.sendall(HEAD)
        for each in silent:
            assert read_to_end(each) == b""
        assert read_to_end(body).split()[1] == (b"401" if keys else b"408")
        assert (begun + read_to_end(second)).split()[1] == (b"401" if keys else b"200")
        assert client.get("/").status_code == 200


WIDE = {
    "numbers as parts": ("/canvas/preview", '{"group":[' + "1," * 2_000_000 + "1]}"),
    "objects as parts": ("/canvas", '{"group":[' + "{}," * 60_000 + "{}]}"),
    "empty canvases": ("/canvas", '{"chain":[' + '{"chain":[]},' * 60_000 + '{"chain":[]}]}'),
    "unknown fields": ("/jobs", "{" + ",".join(f'"f{number}":1' for number in range(150_000)) + "}"),
    "lists in lists": ("/jobs", "[" + ",".join(["[" * 60 + "]" * 60] * 30_000) + "]"),
    "no jobs": ("/jobs/batch", '{"jobs":[' + "1," * 1_900_000 + "1]}"),
    "values": ("/jobs", '{"params":{"a":[' + "{}," * 1_300_000 + "{}]}}"),
}


@pytest.mark.parametrize("kind", WIDE)
def test_a_wide_body_is_refused_before_it_costs_much(client: httpx.Client, kind: str) -> None:
    path, body = WIDE[kind]
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, answer.status_code)
    assert answer.status_code in (413, 422)
    assert len(answer.content) < 100_000


@pytest.mark.usefixtures("postgres", "valkey")
def test_a_body_that_stops_when_it_is_nearly_there(tmp_path: Path) -> None:
    head = BODY.replace(b"50", b"1000000").rstrip(b"{")
    with running_api(tmp_path / "api.log") as client, connected(client, head + b" " * 999_000) as (raw,):
        assert read_to_end(raw).split()[1] == b"408"


@pytest.fixture
def descriptors() -> Iterator[None]:
    """This process may have as many as it is allowed to, which is mostly more than the usual 1,024."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit sets the limit of descriptors")
@pytest.mark.usefixtures("postgres", "valkey", "descriptors")
def test_more_silent_connections_than_descriptors(tmp_path: Path) -> None:
    with own_api(tmp_path, "prlimit", "--nofile=1024:1024") as (client, process):
        with connected(client, *(HEAD if number % 2 else b"" for number in range(1200))) as sockets:
            for _ in range(20):
                assert httpx.get(str(client.base_url)).json() == {"status": "ok"}
                assert client.get("/jobs").status_code == 200
            for each in sockets:
                read_to_end(each)
        assert client.get("/jobs").status_code == 200
    usual = re.compile(r"INFO +uvicorn\.(access|error)\b")
    said = [line for line in process.output.splitlines() if not usual.search(line)]
    assert len(said) == 1, said
    assert "Closed" in said[0]


@pytest.mark.usefixtures("postgres", "valkey")
def test_what_is_refused_is_not_read_to_its_end(tmp_path: Path) -> None:
    with running_api(tmp_path / "api.log", env={"API_KEYS": KEYS}) as client:
        for key, status in (({}, b"401"), (READ, b"403"), (WRITE, b"413")):
            kind = {"Content-Type": "Multipart/Form-Data; boundary=x", "Content-Length": str(10**9)}
            lines = [
                "POST /documents HTTP/1.1",
                "Host: localhost",
                *(f"{name}: {value}" for name, value in (key | kind).items()),
            ]
            with connected(client, "\r\n".join([*lines, "", ""]).encode()) as (raw,):
                sent = 0
                with contextlib.suppress(ConnectionError):
                    while sent < 100_000_000:
                        raw.sendall(b"x" * 100_000)
                        sent += 100_000
                assert sent < 100_000_000
                assert read_to_end(raw).split()[1] == status


@pytest.mark.usefixtures("postgres", "valkey")
def test_who_does_not_read_is_closed(tmp_path: Path) -> None:
    with own_api(tmp_path, env={"DATA_DIR": str(tmp_path / "data")}) as (client, process):
        text = ("word " * 20 + "\n") * 150_000
        assert client.post("/documents", files={"file": ("large.txt", text.encode())}).status_code == 201
        with connected(client, HEAD.replace(b"/jobs", b"/documents/large.txt") + b"\r\n") as (deaf,):
            theirs = deaf.getsockname()[1]
            api = psutil.Process(process.popen.pid)

            def is_open() -> bool:
                return theirs in {port for each in api.net_connections("tcp") for port in each.raddr[1:]}

            wait_for(is_open, what="the download")
            wait_for(lambda: not is_open(), seconds=60, what="its end")
        assert client.get("/").status_code == 200


@pytest.mark.usefixtures("postgres", "valkey")
def test_each_client_has_its_own_share(tmp_path: Path) -> None:
    env = {"API_KEYS": KEYS, "REQUESTS_PER_MINUTE": "5"}
    with running_api(tmp_path / "api.log", env=env) as client:
        # Whichever minute it is by then: at most five in each.
        answers = [client.get("/jobs", headers=READ) for _ in range(11)]
        refused = [each for each in answers if each.status_code == 429]
        assert refused
        for each in refused:
            assert_problem(each, 429)
            assert 1 <= int(each.headers["retry-after"]) <= 60
        assert client.get("/jobs", headers=WRITE).status_code == 200


@pytest.mark.usefixtures("postgres", "valkey")
def test_streams_of_one_client(tmp_path: Path) -> None:
    with running_api(tmp_path / "api.log", env={"API_KEYS": KEYS, "MAX_STREAMS": "2"}) as client:
        with client.stream("GET", "/events", headers=READ) as one, client.stream("GET", "/events", headers=READ) as two:
            assert (one.status_code, two.status_code) == (200, 200)
            assert_problem(client.get("/events", headers=READ), 429)
            with client.stream("GET", "/events", headers=WRITE) as other:
                assert other.status_code == 200

        def again() -> bool:
            with client.stream("GET", "/events", headers=READ) as stream:
                return stream.status_code == 200

        wait_for(again, what="a free share")


@pytest.mark.usefixtures("postgres", "valkey")
def test_who_goes_while_more_of_his_requests_wait_leaves_nothing(tmp_path: Path) -> None:
    stream = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with running_api(tmp_path / "api.log", env={"MAX_STREAMS": "1"}) as client:
        with connected(client, stream + HEAD + b"\r\n") as (raw,):
            assert raw.recv(4096).split()[1] == b"200"
            assert client.get("/events").status_code == 429

        def again() -> bool:
            with client.stream("GET", "/events") as answer:
                return answer.status_code == 200

        wait_for(again, what="a free share")


@pytest.mark.usefixtures("postgres", "valkey")
def test_a_stream_ends_whose_client_promised_a_body(tmp_path: Path) -> None:
    stream = b"GET /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
    with own_api(tmp_path) as (client, _), connected(client, stream) as (raw,):
        assert read_to_end(raw).endswith(b"\r\n0\r\n\r\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells the child")
@pytest.mark.usefixtures("postgres", "valkey")
def test_a_document_that_is_being_read_ends_with_its_reader(tmp_path: Path) -> None:
    with own_api(tmp_path, env={"DATA_DIR": str(tmp_path / "data")}) as (client, process):
        api = psutil.Process(process.popen.pid)
        slow = b"<p>" + b"<b><i><table>" * 600_000
        part = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="slow.html"\r\n\r\n'
            + slow
            + b"\r\n--x--\r\n"
        )
        with connected(client, b"") as (upload,):
            head = "POST /documents HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            upload.sendall(f"{head}Content-Length: {len(part)}\r\n\r\n".encode() + part)
            (reader,) = wait_for(api.children, what="the reading process")
            api.kill()
            wait_for(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE, what="its end")
