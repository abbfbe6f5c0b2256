"""What everybody else notices of hostile clients: how long `GET /` takes meanwhile, and the memory a minute later."""

import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2 as httpx
import psutil

from tests.support import Process, free_port, running_worker

ASKED = 50
UPLOADS = 42
STREAMS = 1_500
SILENT = 1_200
AFTER_SECONDS = 60
SLOW_DOCUMENT = b"<p>" + b"<b><i><table>" * 60_000
EVENTS = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main(scratch: Path) -> None:
    """Print a row for each kind of client."""
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    process = Process(words, log=scratch / "hostile.log")
    try:
        process.wait_for_line("Uvicorn running")
        # One for all: a new one reads certificates for 20 ms, in which nothing else here is measured.
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client,
            running_worker(scratch / "worker.log"),
        ):
            api = psutil.Process(process.popen.pid)
            _use(client)
            print("GET / (median of 50), memory of the API before, meanwhile, and a minute later")
            for name, crowd in (("nobody", nobody), ("silent", silent), ("uploads", uploads), ("streams", streams)):
                _row(name, api, client, crowd)
    finally:
        process.stop()


def _row(name: str, api: psutil.Process, client: httpx.Client, crowd: Callable[[httpx.Client], ExitStack]) -> None:
    before = _megabytes(api)
    with crowd(client):
        median = statistics.median(_took(client) for _ in range(ASKED))
        meanwhile = _megabytes(api)
    time.sleep(AFTER_SECONDS if crowd is not nobody else 0)
    after = _megabytes(api)
    memory = f"{before:6.0f} MB {meanwhile:6.0f} MB {after:6.0f} MB ({after / before:.2f} times)"
    print(f"{name:8} {median * 1000:6.1f} ms {memory}")


def _use(client: httpx.Client) -> None:
    """What a process that has served for a while has done."""
    for _ in range(5):
        _submit(client)
        client.get("/jobs", params={"limit": 1000})


def _took(client: httpx.Client) -> float:
    """A request on a connection of its own, by hand: a library takes longer for it than the API."""
    began = time.perf_counter()
    with socket.create_connection(_address(client), 60) as raw:
        raw.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        while raw.recv(4096):
            pass
    return time.perf_counter() - began


def _address(client: httpx.Client) -> tuple[str, int]:
    return client.base_url.host, client.base_url.port or 0


def _megabytes(api: psutil.Process) -> float:
    return float(api.memory_info().rss) / 1e6


def nobody(_: httpx.Client) -> ExitStack:
    """No one else."""
    return ExitStack()


def silent(client: httpx.Client) -> ExitStack:
    """Connections that send nothing, or half the head of a request."""
    return _connected(client, SILENT, b"GET /jobs HTTP/1.1\r\nHost: loc")


def streams(client: httpx.Client) -> ExitStack:
    """Event streams that nobody reads, while a hundred jobs a second are made."""
    stack = _connected(client, STREAMS, EVENTS, receive=4096)
    stack.enter_context(_meanwhile(lambda: _submit(client)))
    return stack


def uploads(client: httpx.Client) -> ExitStack:
    """Documents that take long to read."""
    stack = ExitStack()
    for number in range(UPLOADS):
        stack.enter_context(_meanwhile(lambda number=number: _upload(client, number), once=True))  # type: ignore[misc]
    return stack


def _connected(client: httpx.Client, number: int, sent: bytes, *, receive: int = 0) -> ExitStack:
    stack = ExitStack()
    for _ in range(number):
        each = stack.enter_context(socket.socket())
        if receive:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        each.connect(_address(client))
        each.sendall(sent)
    return stack


@contextmanager
def _meanwhile(do: Callable[[], object], *, once: bool = False) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        do()
        while not once and not stop.wait(1):
            do()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _submit(client: httpx.Client) -> None:
    client.post("/jobs/batch", json={"jobs": [{"params": {"step_seconds": 0}}] * 100})


def _upload(client: httpx.Client, number: int) -> None:
    client.post("/documents", files={"file": (f"slow{number}.html", SLOW_DOCUMENT)})
