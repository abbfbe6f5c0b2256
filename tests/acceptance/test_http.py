"""HTTP as its rules say: methods, ids, ranges, what a client has already."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.acceptance.test_bad_input import assert_problem
from tests.support import running_api


@pytest.fixture(scope="module")
def files(postgres: object, valkey: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API with a data directory of its own, in it the samples and `large.txt`."""
    directory = tmp_path_factory.mktemp("files")
    with running_api(directory / "api.log", env={"DATA_DIR": str(directory / "data")}) as client:
        text = "word " * 2_000_000
        assert client.post("/documents", files={"file": ("large.txt", text.encode())}).status_code == 201
        yield client


@pytest.mark.parametrize(
    "path",
    ["/", "/ready", "/jobs", "/jobs/stats", "/pipelines", "/workers", "/runs", "/canvas/tasks", "/documents",
     "/documents/why-queues.txt", "/ui/", "/docs", "/openapi.json", "/jobs/999999999", "/nothing"],
)  # fmt: skip
def test_head_is_get_without_its_body(client: httpx.Client, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def test_head_of_a_stream_ends(client: httpx.Client) -> None:
    answer = client.head("/events")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", {"GET", "HEAD", "POST"}),
        ("PATCH", "/jobs/1", {"GET", "HEAD", "DELETE"}),
        ("GET", "/jobs/1/cancel", {"POST"}),
        ("PUT", "/documents/a.txt", {"GET", "HEAD", "DELETE"}),
        ("POST", "/result/00000000-0000-0000-0000-000000000000", {"GET", "HEAD", "DELETE"}),
        ("DELETE", "/", {"GET", "HEAD"}),
        ("POST", "/ui/", {"GET", "HEAD"}),
    ],
)
def test_all_methods_are_named(client: httpx.Client, method: str, path: str, allowed: set[str]) -> None:
    answer = client.request(method, path)
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("text", ["01", "+1", "1.0", "1e0", "%201", "1_0", "-0", "0x1", "\u0661"])
def test_one_thing_has_one_address(client: httpx.Client, text: str) -> None:
    for path in (f"/jobs/{text}", f"/jobs/{text}/events", f"/jobs?limit={text}", f"/jobs?before={text}"):
        assert_problem(client.get(path), 422)


def test_integers_as_json_schema_has_them(client: httpx.Client) -> None:
    request = {"priority": 3.0, "max_attempts": 2.0, "delay_seconds": 3600, "params": {"fail_at_step": 2.0}}
    made = client.post("/jobs", json=request)
    assert made.status_code == 201
    job = client.get(made.headers["location"]).json()
    assert (job["priority"], job["max_attempts"], job["params"]["fail_at_step"]) == (3, 2, 2)
    client.post(f"{made.headers['location']}/cancel")
    same = {"jobs": [request | {"priority": 9.0}]}
    made_too = client.post("/jobs/batch", json=same).json()[0]["job_id"]
    client.post(f"/jobs/{made_too}/cancel")
    for wrong in (3.5, "3", True, 1e300, None):
        assert_problem(client.post("/jobs", json={"priority": wrong}), 422)
        assert_problem(client.post("/jobs", json={"params": {"fail_at_step": wrong}} if wrong else {"params": 1}), 422)
    assert client.post("/canvas/preview", json={"task": "add", "args": [1, 2], "retries": 1.0}).status_code == 200


def test_ranges(files: httpx.Client) -> None:
    url = "/documents/large.txt"
    assert files.get(url, headers={"Range": "bytes=0-3"}).text == "word"
    answer = files.get(url, headers={"Range": "bytes=99999999-"})
    assert_problem(answer, 416)
    assert answer.headers["content-range"] == "bytes */10000000"
    assert_problem(files.get(url, headers={"Range": "bytes=5-2"}), 400)
    # What is no range of bytes asks for nothing.
    for given in ("lines=1-2", "bytes", "bytes=1_0-2_0", "junk"):
        assert files.get(url, headers={"Range": given}).status_code == 200


ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
ADD = b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
NUMBERS = b'{"x": 2, "y": 3}'


def sent(client: httpx.Client, *parts: bytes) -> bytes:
    """What comes until the server closes the connection."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), 30) as raw:
        for part in parts:
            raw.sendall(part)
        with raw.makefile("rb") as stream:
            return stream.read()


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ASKED + b"X: a\r\n b\r\n\r\n",
        ASKED + b"X : a\r\n\r\n",
        ASKED + b"X: a\x1b[2J\r\n\r\n",
        ADD + b"Content-Length: -5\r\n\r\n",
        ADD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ADD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ADD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ADD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem(client: httpx.Client, request_: bytes) -> None:
    head, _, body = sent(client, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "no_http"


@pytest.mark.parametrize(
    "begun", [ASKED + b"X: ", b"GET /", ADD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"\r\n"]
)
def test_what_has_no_end_is_not_kept(client: httpx.Client, begun: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it closes in the midst of what is sent
        assert (
            sent(client, begun, *[b"\r\n" * 50_000 if begun.isspace() else b"a" * 100_000] * 100).split()[1] == b"400"
        )


def test_a_body_stays_one_behind_an_upgrade(client: httpx.Client) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    asked = ADD + upgrade + b"Content-Length: %d\r\n\r\n" % len(NUMBERS)
    last = ASKED + b"Connection: close\r\n\r\n"
    for parts in ([asked + NUMBERS + last], [asked, NUMBERS, last], [asked + NUMBERS[:5], NUMBERS[5:] + last]):
        assert re.findall(rb"HTTP/1.1 (\d+)", sent(client, *parts)) == [b"202", b"200"]


def test_what_follows_a_body_is_no_header(client: httpx.Client) -> None:
    body = b"%x\r\n%b\r\n0\r\nX-Request-ID: of-the-trailer\r\nHost: elsewhere\r\n\r\n" % (len(NUMBERS), NUMBERS)
    answer = sent(client, ADD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert b"of-the-trailer" not in answer


def test_what_follows_a_request_leaves_its_answer(client: httpx.Client) -> None:
    asked = ADD + b"Content-Length: %d\r\n\r\n" % len(NUMBERS) + NUMBERS
    assert re.findall(rb"HTTP/1.1 (\d+)", sent(client, asked + b"more than was promised\r\n\r\n")) == [b"202"]
    answers = re.findall(rb"HTTP/1.1 (\d+)", sent(client, (ASKED + b"\r\n") * 1_000))
    assert set(answers) == {b"200"}
    assert len(answers) < 1_000


def test_http_1_0_gets_no_chunks(client: httpx.Client) -> None:
    answer = sent(client, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert answer.endswith(b'\r\n\r\n{"status":"ok"}')
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), 30) as raw:
        raw.sendall(b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with raw.makefile("rb") as stream:
            head = b"".join(iter(stream.readline, b"\r\n")).lower()
            assert stream.readline().startswith(b"id: ")
    assert b"transfer-encoding" not in head


def test_what_the_client_has_is_not_sent_again(files: httpx.Client) -> None:
    for url in ("/documents/large.txt", "/ui/index.html"):
        tag = files.get(url).headers["etag"]
        for given in (tag, f'"other", W/{tag}', "*"):
            if given == "*" and url.startswith("/ui"):
                continue
            answer = files.get(url, headers={"If-None-Match": given})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert files.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_document_that_is_deleted_while_it_is_read(files: httpx.Client) -> None:
    text = b"going " * 2_000_000
    files.post("/documents", files={"file": ("going.txt", text)})
    with files.stream("GET", "/documents/going.txt") as answer:
        parts = answer.iter_bytes()
        found = next(parts)
        assert files.delete("/documents/going.txt").status_code == 204
        assert found + b"".join(parts) == text
    assert_problem(files.get("/documents/going.txt"), 404)


def test_the_name_of_a_media_type_has_no_case(files: httpx.Client) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="case.txt"\r\n\r\n' + b"a " * 3_000_000
    kind = {"Content-Type": "Multipart/Form-Data; boundary=x"}
    assert files.post("/documents", content=body + b"\r\n--x--\r\n", headers=kind).status_code == 201


def test_a_file_that_went_just_now_is_not_found(files: httpx.Client, tmp_path: Path) -> None:
    files.post("/documents", files={"file": ("torn.txt", b"some text")})
    (content,) = [
        each
        for each in (tmp_path.parent / "files0" / "data" / "documents").glob("*/content")
        if each.read_bytes() == b"some text"
    ]
    content.unlink()
    assert_problem(files.get("/documents/torn.txt"), 404)
