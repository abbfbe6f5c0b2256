"""What is sent compressed, to whom, and what stays as it is."""

import gzip
import re

import httpx2 as httpx
import pytest

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}
FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def packed(client: httpx.Client) -> list[str]:
    """The addresses of the packed files, as the page has them."""
    names = re.findall(r'"(\w+-\w+\.(?:js|css))"', client.get("/ui/").text)
    assert {name.partition("-")[0] for name in names} == {"boot", "page", "chunk"}
    return [f"/ui/{name}" for name in names]


def raw(client: httpx.Client, path: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
    """An answer, and its body as it came."""
    with client.stream("GET", path, headers=headers) as answer:
        body = b"".join(answer.iter_raw())
    assert int(answer.headers["content-length"]) == len(body)
    return answer, body


def test_large_json_is_compressed(client: httpx.Client) -> None:
    answer, body = raw(client, "/openapi.json", GZIP)
    as_it_is, plain = raw(client, "/openapi.json", PLAIN)
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain
    assert len(body) < len(plain) / 4
    for each in (answer, as_it_is):
        assert each.headers["vary"] == "Accept-Encoding"
        assert each.headers["content-type"] == "application/json"
        assert each.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in as_it_is.headers


@pytest.mark.parametrize("encodings", ["gzip;q=0", "br", "identity, gzip;q=0.0"])
def test_who_does_not_take_it_gets_it_plain(client: httpx.Client, encodings: str) -> None:
    answer, body = raw(client, "/openapi.json", {"Accept-Encoding": encodings})
    assert "content-encoding" not in answer.headers
    assert body.startswith(b"{")


def test_small_json_is_not_compressed(client: httpx.Client) -> None:
    for path in ("/", "/nothing"):
        answer, _ = raw(client, path, GZIP)
        assert "content-encoding" not in answer.headers


def test_head_says_what_get_would(client: httpx.Client, packed: list[str]) -> None:
    for path in ("/openapi.json", "/ui/", *packed):
        got, head = client.get(path, headers=GZIP), client.head(path, headers=GZIP)
        for name in ("content-length", "content-encoding", "vary", "content-type", "cache-control"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)


def test_a_stream_comes_as_it_is_and_at_once(client: httpx.Client) -> None:
    with client.stream("GET", "/events", headers=GZIP) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        assert next(answer.iter_raw())


def test_a_document_is_sent_as_it_is_stored(client: httpx.Client) -> None:
    path = "/documents/why-queues.txt"
    answer, body = raw(client, path, GZIP)
    assert "content-encoding" not in answer.headers
    part, bytes_of_it = raw(client, path, {**GZIP, "Range": "bytes=5-14"})
    assert (part.status_code, bytes_of_it) == (206, body[5:15])
    assert part.headers["etag"] == answer.headers["etag"]


def test_the_pack_is_compressed_and_kept_for_ever(client: httpx.Client, packed: list[str]) -> None:
    for path in packed:
        answer, body = raw(client, path, GZIP)
        plain, whole = raw(client, path, PLAIN)
        assert answer.headers["cache-control"] == plain.headers["cache-control"] == FOREVER
        assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        if answer.headers.get("content-encoding"):
            assert gzip.decompress(body) == whole
            assert answer.headers["etag"] != plain.headers["etag"]
        assert answer.headers["content-type"] == plain.headers["content-type"]
        assert "content-security-policy" in answer.headers
    script = next(path for path in packed if re.search(r"page-\w+\.js", path))
    assert len(raw(client, script, GZIP)[1]) < 90 * 1024


def test_the_page_itself_is_asked_again(client: httpx.Client) -> None:
    for headers in (GZIP, PLAIN):
        tag = client.get("/ui/", headers=headers).headers["etag"]
        again = client.get("/ui/", headers={**headers, "If-None-Match": tag})
        assert (again.status_code, again.headers["etag"], again.headers["cache-control"]) == (304, tag, "no-cache")
    assert client.get("/ui/page-000000000000.js").status_code == 404


def test_a_part_of_a_file_of_the_page(client: httpx.Client, packed: list[str]) -> None:
    _, whole = raw(client, packed[0], PLAIN)
    part, found = raw(client, packed[0], {**GZIP, "Range": "bytes=0-9"})
    assert (part.status_code, found) == (206, whole[:10])
