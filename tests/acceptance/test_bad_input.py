"""What a client can get wrong: a clear problem, and nothing changes."""

from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import HOME

PROBLEM = "application/problem+json"


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The answer is a problem of this status; gives its body."""
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status, body
    assert answer.headers["content-type"] == PROBLEM
    assert body["status"] == status
    assert body["type"]
    assert body["title"]
    assert body["detail"].strip()
    assert ("errors" in body) == (status == 422)
    return body


@pytest.fixture(autouse=True)
def _nothing_changes(client: httpx.Client) -> Any:
    """No test here may leave a job, a run or a document."""

    def count() -> tuple[Any, ...]:
        jobs, runs = (client.get(f"/{kind}?limit=1").json() for kind in ("jobs", "runs"))
        files = sorted(str(path) for path in (HOME / "data").rglob("*") if path.is_file())
        return [job["id"] for job in jobs], [run["task_id"] for run in runs], client.get("/documents").json(), files

    client.get("/documents")
    before = count()
    yield
    assert count() == before


@pytest.mark.parametrize(
    "path",
    [
        "/jobs?status=RUNNING",
        "/jobs?limit=0",
        "/jobs?limit=1001",
        "/jobs?limit=ten",
        "/jobs?before=0",
        "/jobs/abc",
        "/jobs/0",
        "/jobs/-1",
        f"/jobs/{2**70}",
        "/jobs/1.5",
        "/result/abc",
        "/jobs?pipeline=a%00b",
        "/jobs?status=FAILED&status=RUNNING",
        "/jobs?tag=",
        "/jobs?tag=a%00b",
        "/jobs?queue=a%00b",
        "/jobs?error=",
        "/jobs?error=%00",
        "/jobs?param.=7",
        "/jobs?param.a..b=7",
        "/jobs?param.a%00=7",
        "/jobs?param.a=%00",
        "/jobs?created_after=yesterday",
        "/jobs?created_before=2026-02-30T00:00:00Z",
        "/jobs?created_before=2026-02-03T00:00:00",
        "/jobs?schedule_id=0",
        "/jobs/matching?param.=7",
        "/runs?limit=0",
        "/runs?status=DONE",
        "/runs?type=tree",
        "/runs?before=1",
    ],
)
def test_a_query_that_means_nothing(client: httpx.Client, path: str) -> None:
    assert assert_problem(client.get(path), 422)["errors"]


@pytest.mark.parametrize(
    "path", [f"/jobs/{2**62}", "/documents/none.txt", "/nowhere", "/documents/%00", "/documents/..%2F..%2Fetc"]
)
def test_what_does_not_exist(client: httpx.Client, path: str) -> None:
    assert_problem(client.get(path), 404)


def test_a_method_that_is_not_there(client: httpx.Client) -> None:
    assert_problem(client.put("/jobs"), 405)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"no json",
        b"[]",
        b"1",
        b'"text"',
        b'{"pipeline": 5}',
        b'{"pipeline": "nope"}',
        b'{"unknown": 1}',
        b'{"params": []}',
        b'{"params": {"step_seconds": "5"}}',
        b'{"params": {"step_seconds": NaN}}',
        b'{"params": {"step_seconds": 1e999}}',
        b'{"params": {"step_seconds": -1}}',
        b'{"params": {"step_seconds": 3601}}',
        b'{"params": {"unknown": 1}}',
        b'{"params": {"fail_at_step": 4}}',
        b'{"params": {"fail_at_step": 1.5}}',
        b'{"params": {"fail_times": -1}}',
        b'{"params": {"fail_at_step": true}}',
        b'{"max_attempts": 0}',
        b'{"max_attempts": 101}',
        b'{"max_attempts": "3"}',
        b'{"unique_key": ""}',
        b'{"unique_key": 7}',
        b'{"unique_key": "a\\u0000b"}',
        b'{"unique_key": "' + b"k" * 256 + b'"}',
        b'{"unique_seconds": 60}',
        b'{"unique_key": "k", "unique_seconds": 0}',
        b'{"unique_key": "k", "unique_seconds": 1e12}',
        b'{"unique_key": "k", "unique_seconds": "60"}',
        b'{"pipeline": "document"}',
        b'{"pipeline": "document", "params": {"document": "none.txt"}}',
        b'{"pipeline": "document", "params": {"document": "../../etc/passwd"}}',
        b'{"pipeline": "a\\u0000b"}',
        b'{"pipeline": "\\ud800"}',
        b"\xff\xfe",
        b'{"max_attempts": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_a_job_that_cannot_be(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/jobs", content=body, headers={"content-type": "application/json"})
    assert assert_problem(answer, 422)["errors"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "cancel"},
        {"action": "stop", "filter": {}},
        {"action": "cancel", "filter": None},
        {"action": "cancel", "filter": {"unknown": 1}},
        {"action": "cancel", "filter": {"param": {"customer": 7}}},
        {"action": "cancel", "filter": {"status": "RUNNING"}},
        {"action": "cancel", "filter": {}, "limit": 0},
        {"action": "cancel", "filter": {}, "limit": 10_001},
        {"action": "cancel", "filter": {}, "unknown": 1},
    ],
    ids=str,
)
def test_an_action_that_cannot_be(client: httpx.Client, body: dict[str, Any]) -> None:
    assert assert_problem(client.post("/jobs/actions", json=body), 422)["errors"]


@pytest.mark.parametrize("path", ["/jobs", "/schedules", "/canvas", "/jobs/actions"])
def test_a_body_that_is_not_called_json(client: httpx.Client, path: str) -> None:
    """As `curl -d` sends it."""
    for headers, given in (({"content-type": "text/plain"}, "text/plain"), ({}, "missing")):
        (error,) = assert_problem(client.post(path, content=b"{}", headers=headers), 422)["errors"]
        assert error["msg"] == f"It is not read as JSON unless Content-Type is application/json; it is {given}"


def test_a_body_that_is_no_object(client: httpx.Client) -> None:
    bodies: tuple[Any, ...] = ([], 5, "text", [{}])
    for body in bodies:
        (error,) = assert_problem(client.post("/jobs", json=body), 422)["errors"]
        assert (error["loc"], error["msg"]) == (["body"], "It must be a JSON object")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"x": 1},
        {"x": "1", "y": 2},
        {"x": 1.5, "y": 2},
        {"x": True, "y": 2},
        {"x": 1, "y": 2, "z": 3},
        {"x": 2**63, "y": 0},
        None,
    ],
)
def test_numbers_that_are_none(client: httpx.Client, body: Any) -> None:
    assert_problem(client.post("/add", json=body), 422)


@pytest.mark.parametrize("path", ["/chain", "/group", "/chord"])
@pytest.mark.parametrize("body", [{"x": "2"}, {"x": None}, {"z": 1}, [1, 2]])
def test_a_canvas_that_cannot_be(client: httpx.Client, path: str, body: Any) -> None:
    assert_problem(client.post(path, json=body), 422)


@pytest.mark.parametrize(
    ("canvas", "place"),
    [
        ({"task": "add", "args": 5}, ["args"]),
        ({"chain": [{"task": "add"}, {"task": "add", "countdown": -1}]}, ["chain", 1, "countdown"]),
        ({"chain": [{"task": "add"}, 7]}, ["chain", 1]),
        ({"chord": {"header": [{"group": []}], "body": {"task": "add"}}}, ["chord", "header", 0, "group"]),
        ({"task": "add", "link": [{"task": "add", "args": {}}]}, ["link", 0, "args"]),
        ({"chunks": {"task": "add", "it": [], "n": 1}}, ["chunks", "it"]),
        ({"task": "add", "<kind>": 1}, ["<kind>"]),
        ({"task": "no_such"}, ["task"]),
        ({"args": [1]}, []),
        ({"task": "add", "args": ["1", 2]}, ["args", 0]),
        ({"task": "xsum", "args": [[1, "2"]]}, ["args", 0, 1]),
        ({"map": {"task": "add", "it": [1]}}, ["map", "it", 0]),
        ({"map": {"task": "sleep", "it": [1, "x"]}}, ["map", "it", 1]),
        ({"starmap": {"task": "add", "it": [[1]]}}, ["starmap", "it", 0]),
        ({"chunks": {"task": "add", "it": [[1, 2], [3, "4"]], "n": 1}}, ["chunks", "it", 1, 1]),
        ({"chunks": {"task": "add", "it": [[1, 2]]}}, ["chunks", "n"]),
        ({"task": "echo", "args": [1], "link": {"task": "nope"}}, ["link", "task"]),
        ({"task": "echo", "args": [1], "link": [{"task": "nope"}]}, ["link", 0, "task"]),
        ({"task": "echo", "args": [1], "link_error": {"task": "echo", "args": {}}}, ["link_error", "args"]),
        ({"task": "echo", "args": [1], "link_error": {"task": "add"}}, ["link_error", "task"]),
        ({"task": "echo", "args": [1], "link": 7}, ["link"]),
    ],
)
def test_the_place_of_a_fault_is_the_one_in_the_canvas(client: httpx.Client, canvas: Any, place: list[Any]) -> None:
    answer = client.post("/canvas", json=canvas)
    assert assert_problem(answer, 422)["errors"][0]["loc"] == ["body", *place]


def test_what_is_no_number_is_told_once_and_as_such(client: httpx.Client) -> None:
    (error,) = assert_problem(client.post("/canvas", json={"task": "add", "args": ["1", 2]}), 422)["errors"]
    assert (error["type"], error["msg"]) == ("float_type", "Input should be a valid number")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b'{"x": 1, "y": ', "json_invalid", "The body is not JSON: Expecting value, at character 14."),
        (b'{"data": "\\u0000"}', "json_refused", "NUL character"),
        (b'{"data": 1e999}', "json_refused", "not JSON compliant"),
        (b'{"data": "\\ud800"}', "json_refused", "half of a surrogate pair"),
        (b'{"data": %s}' % (b"[" * 100 + b"]" * 100), "json_depth", "nested deeper than the 64 levels"),
        (b'{"data": %s}' % (b"[" * 100_000 + b"]" * 100_000), "json_depth", "nested deeper than the 64 levels"),
    ],
    ids=["cut", "nul", "infinite", "surrogate", "deep", "very-deep"],
)
def test_what_is_wrong_with_the_body_as_a_whole_is_said(
    client: httpx.Client, body: bytes, code: str, said: str
) -> None:
    answer = client.post("/test-request-info", content=body, headers={"content-type": "application/json"})
    refused = assert_problem(answer, 422)
    assert said in refused["detail"]
    assert refused["code"] == code
    assert [(each["loc"], each["type"], each["msg"]) for each in refused["errors"]] == [
        (["body"], code, refused["detail"])
    ]


@pytest.mark.parametrize("path", ["/documents/analyze", "/documents/report"])
@pytest.mark.parametrize(
    "body", [{"documents": []}, {"documents": ["none.txt"]}, {"documents": "all"}, {"documents": [1]}]
)
def test_a_selection_that_cannot_be(client: httpx.Client, path: str, body: Any) -> None:
    assert assert_problem(client.post(path, json=body), 422)["errors"]


def test_a_huge_json_body(client: httpx.Client) -> None:
    assert_problem(client.post("/add", json={"x": 1, "y": 1, "z": "z" * 5_000_000}), 413)


def chunks(size: int) -> Any:
    """A body whose size is not announced."""
    for _ in range(size // 65_536):
        yield b"x" * 65_536


def test_a_huge_body_of_unknown_length(client: httpx.Client) -> None:
    answer = client.post("/jobs", content=chunks(8_000_000), headers={"content-type": "application/json"})
    assert_problem(answer, 413)


@pytest.mark.parametrize("size", [30 * 1024 * 1024, 20 * 1024 * 1024 + 1])
def test_a_huge_upload(client: httpx.Client, size: int) -> None:
    answer = client.post("/documents", files={"file": ("big.txt", b"a" * size, "text/plain")})
    assert_problem(answer, 413)


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("empty.txt", b"", 422),
        ("../../etc/passwd", b"text", 422),
        ("..\\..\\secret.txt", b"text", 422),
        ("n" * 296 + ".txt", b"text", 422),
        ("picture.png", b"\x89PNG\r\n", 415),
        ("no-extension", b"text", 415),
        ("broken.pdf", b"%PDF-1.7\nnot really", 422),
        ("fake.docx", b"PK\x03\x04 not a zip", 422),
        ("text.docx", b"plain text", 422),
        ("binary.txt", bytes(range(256)) * 10, 422),
    ],
)
def test_an_upload_that_cannot_be(client: httpx.Client, name: str, content: bytes, status: int) -> None:
    assert_problem(client.post("/documents", files={"file": (name, content, "application/octet-stream")}), status)


@pytest.mark.parametrize("body", [b"", b"no multipart", b"--b\r\n"])
def test_a_form_that_is_none(client: httpx.Client, body: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post("/documents", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code)


def test_a_text_in_place_of_a_file(client: httpx.Client) -> None:
    """As `curl -F file=README.md` sends it, and a name that comes as `filename*` alone, which no form may have."""
    for disposition in ('name="file"', "name=\"file\"; filename*=utf-8''a.txt"):
        body = f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\ntext\r\n--b--\r\n"
        kind = {"content-type": "multipart/form-data; boundary=b"}
        (error,) = assert_problem(client.post("/documents", content=body, headers=kind), 422)["errors"]
        assert (error["loc"], error["type"]) == (["body", "file"], "file_type")
        assert error["msg"] == "It must be a file, which comes with its name (curl -F file=@name)"


def test_a_stored_name_is_taken(client: httpx.Client) -> None:
    name = client.get("/documents").json()[0]["name"]
    assert_problem(client.post("/documents", files={"file": (name, b"text", "text/plain")}), 409)


def test_korean_in_cp949_is_read_and_comes_back(client: httpx.Client) -> None:
    content = "안녕하세요. 이 문서는 옛 한글 인코딩으로 저장되었습니다.".encode("cp949")
    assert client.post("/documents", files={"file": ("옛글.txt", content, "text/plain")}).status_code == 201
    answer = client.get("/documents/옛글.txt")
    assert answer.content == content
    assert answer.headers["content-type"] == "text/plain"  # and not that it were UTF-8
    assert "attachment" in answer.headers["content-disposition"]
    assert client.delete("/documents/옛글.txt").status_code == 204
    assert_problem(client.delete("/documents/옛글.txt"), 404)


@pytest.mark.parametrize("name", [b"nul\x00.txt", b"bell\x07.txt", b"", b".", b"..", b"/", b" .txt"])
def test_a_name_that_no_client_would_send(client: httpx.Client, name: bytes) -> None:
    disposition = b'Content-Disposition: form-data; name="file"; filename="' + name + b'"'
    body = b"\r\n".join([b"--b", disposition, b"Content-Type: text/plain", b"", b"text", b"--b--", b""])
    answer = client.post("/documents", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code in (400, 415, 422)
    assert_problem(answer, answer.status_code)


def test_params_that_are_too_large_are_refused_before_anything_is_done(client: httpx.Client) -> None:
    limit = 256 * 1024
    large = {"params": {"note": "x" * limit}}
    body = assert_problem(client.post("/jobs", json=large), 413)
    assert (body["code"], body["values"]) == ("params_too_large", {"bytes": limit})
    body = assert_problem(client.post("/jobs/batch", json={"jobs": [{}, {"params": {}}, large]}), 413)
    assert body["detail"].startswith("jobs.2.params: ")
    # As many bytes as may be are looked at, and then this is no parameter of the pipeline.
    fits = {"params": {"note": "x" * (limit - len('{"note": ""}'))}}
    assert_problem(client.post("/jobs", json=fits), 422)


def test_a_number_of_an_event_that_cannot_be(client: httpx.Client) -> None:
    for number in ("0", "-1", "x", str(2**31)):
        assert_problem(client.get(f"/jobs/1?events_before={number}"), 422)
