"""Under a prefix, by `--root-path` or by a trusted proxy's word: keys, roles, addresses, page and streams hold."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.acceptance.test_api_keys import KEYS, READ, WRITE
from tests.nginx import needs_nginx, running_nginx
from tests.support import running_api

PREFIXES = ["/play", "/ui", "/jobs/v1"]


@pytest.fixture(scope="module", params=[(how, prefix) for prefix in PREFIXES for how in ("option", "header")])
def behind(
    request: pytest.FixtureRequest, postgres: object, valkey: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """An API with keys behind nginx."""
    how, prefix = request.param
    directory = tmp_path_factory.mktemp("proxy")
    env = {"API_KEYS": KEYS} | ({"UVICORN_ROOT_PATH": prefix} if how == "option" else {})
    more = "" if how == "option" else f"proxy_set_header X-Forwarded-Prefix {prefix};"
    with (
        running_api(directory / "api.log", env=env) as api,
        running_nginx(directory, upstream=api.base_url.port or 0, prefix=prefix, more=more) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@needs_nginx
def test_keys_and_roles(behind: httpx.Client) -> None:
    assert behind.get("/").json() == {"status": "ok"}
    assert behind.get("/ready").status_code == 200
    for path in ("/jobs", "/docs", "/openapi.json", "/events", "/jobs/1", "/ui/../jobs"):
        assert behind.get(path).status_code == 401, path
    assert behind.get("/jobs", headers=READ).status_code == 200
    assert behind.post("/jobs", headers=READ).status_code == 403
    assert behind.post("/canvas/preview", json={"task": "add", "args": [1, 2]}, headers=READ).status_code == 200


@needs_nginx
def test_addresses(behind: httpx.Client) -> None:
    made = [behind.post("/jobs", json={"delay_seconds": 3600}, headers=WRITE) for _ in range(2)]
    host = str(behind.base_url.copy_with(path="/")).rstrip("/")
    location = made[1].headers["location"]
    assert location == f"{behind.base_url.path.rstrip('/')}/jobs/{made[1].json()['job_id']}"
    assert httpx.get(host + location, headers=READ).json()["id"] == made[1].json()["job_id"]
    following = behind.get("/jobs", params={"limit": 1}, headers=READ).links["next"]["url"]
    assert httpx.get(following, headers=READ).json()[0]["id"] == made[0].json()["job_id"]
    assert behind.get("/openapi.json", headers=READ).json()["servers"] == [{"url": behind.base_url.path.rstrip("/")}]


@needs_nginx
def test_the_page_and_a_stream(behind: httpx.Client) -> None:
    page = behind.get("/ui/")
    assert page.status_code == 200
    parts = re.findall(r'(?:src|href)="([^":]+\.(?:js|css|svg))"', page.text)
    assert {part.partition(".")[0].partition("-")[0] for part in parts} == {"icon", "boot", "page", "chunk"}
    assert all(behind.get(f"/ui/{part}").status_code == 200 for part in parts)
    assert behind.get("/ui").headers["location"] == f"{behind.base_url}ui/"
    assert behind.get("/", headers={"Accept": "text/html"}).headers["location"] == f"{behind.base_url.path}ui/"
    docs = behind.get("/docs", headers=READ)
    assert 'src="ui/js/docs.js"' in docs.text
    job = behind.post("/jobs", json={"delay_seconds": 3600}, headers=WRITE).json()["job_id"]
    behind.post(f"/jobs/{job}/cancel", headers=WRITE)
    assert "event: cancelled" in behind.get(f"/jobs/{job}/events", headers=READ).text


@pytest.mark.parametrize(
    ("trusted", "prefix", "believed"),
    [
        ("127.0.0.1", "/play", True),
        ("127.0.0.1", "/play/", True),
        ("10.0.0.1", "/play", False),
        ("127.0.0.1", "//evil.example", False),
        ("127.0.0.1", "/a/../b", False),
        ("127.0.0.1", 'x"y', False),
        ("127.0.0.1", "/" + "a" * 300, False),
    ],
)
@pytest.mark.usefixtures("postgres", "valkey")
def test_whose_word_is_taken(tmp_path: Path, trusted: str, prefix: str, *, believed: bool) -> None:
    with running_api(tmp_path / "api.log", env={"FORWARDED_ALLOW_IPS": trusted}) as client:
        job = client.post("/jobs", json={"delay_seconds": 3600}, headers={"X-Forwarded-Prefix": prefix})
        assert job.headers["location"].startswith("/play/jobs/" if believed else "/jobs/")
        client.post(f"/jobs/{job.json()['job_id']}/cancel")


@pytest.mark.usefixtures("postgres", "valkey")
def test_what_is_forwarded_as_an_address_and_is_none_stays_out_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with running_api(log) as client:
        client.get("/", headers={"X-Forwarded-For": '6.6.6.6 - "DELETE /all HTTP/1.1" 204'})
        client.get("/", headers={"X-Forwarded-For": "9.9.9.9"})
    assert "DELETE /all" not in log.read_text()
    assert "9.9.9.9:0" in log.read_text()
