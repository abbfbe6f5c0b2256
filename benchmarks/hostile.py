"""What everybody else notices of hostile clients: how long `GET /` takes meanwhile, and the memory a minute later."""

import json
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
        with running_worker(scratch / "worker.log"):
            api = psutil.Process(process.popen.pid)
            _use(port)
            print("GET / (median of 50), memory of the API before, meanwhile, and a minute later")
            for name, crowd in (("nobody", nobody), ("silent", silent), ("uploads", uploads), ("streams", streams)):
                _row(name, api, port, crowd)
    finally:
        process.stop()


def _row(name: str, api: psutil.Process, port: int, crowd: Callable[[int], "_Crowd"]) -> None:
    before = _megabytes(api)
    with crowd(port):
        median = statistics.median(_took(port) for _ in range(ASKED))
        meanwhile = _megabytes(api)
    time.sleep(AFTER_SECONDS if crowd is not nobody else 0)
    after = _megabytes(api)
    memory = f"{before:6.0f} MB {meanwhile:6.0f} MB {after:6.0f} MB ({after / before:.2f} times)"
    print(f"{name:8} {median * 1000:6.1f} ms {memory}")


def _use(port: int) -> None:
    """What a process that has served for a while has done."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for _ in range(5):
            client.post("/jobs/batch", json={"jobs": [{"params": {"step_seconds": 0}}] * 100})
            client.get("/jobs", params={"limit": 1000})


def _took(port: int) -> float:
    began = time.perf_counter()
    httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
    return time.perf_counter() - began


def _megabytes(api: psutil.Process) -> float:
    return float(api.memory_info().rss) / 1e6


_Crowd = ExitStack


def nobody(_: int) -> _Crowd:
    """No one else."""
    return ExitStack()


def silent(port: int) -> _Crowd:
    """Connections that send nothing, or half the head of a request."""
    return _connected(port, SILENT, b"GET /jobs HTTP/1.1\r\nHost: loc")


def streams(port: int) -> _Crowd:
    """Event streams that nobody reads, while a hundred jobs a second are made."""
    stack = _connected(port, STREAMS, EVENTS, receive=4096)
    stack.enter_context(_meanwhile(lambda: _submit(port)))
    return stack


def uploads(port: int) -> _Crowd:
    """Documents that take long to read."""
    stack = ExitStack()
    for number in range(UPLOADS):
        stack.enter_context(_meanwhile(lambda number=number: _upload(port, number), once=True))  # type: ignore[misc]
    return stack


def _connected(port: int, number: int, sent: bytes, *, receive: int = 0) -> ExitStack:
    stack = ExitStack()
    for _ in range(number):
        each = stack.enter_context(socket.socket())
        if receive:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        each.connect(("127.0.0.1", port))
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


def _submit(port: int) -> None:
    body = json.dumps({"jobs": [{"params": {"step_seconds": 0}}] * 100})
    headers = {"Content-Type": "application/json"}
    httpx.post(f"http://127.0.0.1:{port}/jobs/batch", content=body, headers=headers, timeout=60)


def _upload(port: int, number: int) -> None:
    files = {"file": (f"slow{number}.html", SLOW_DOCUMENT)}
    httpx.post(f"http://127.0.0.1:{port}/documents", files=files, timeout=300)
