"""`/`: the page for a browser, the sign of life for a program."""

import httpx2 as httpx
import pytest

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": ""}])
def test_a_program_is_told_that_it_lives(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.get("/", headers=headers)
    assert (answer.status_code, answer.text) == (200, '{"status":"ok"}')
    assert answer.headers["vary"] == "Accept"


def test_a_browser_is_led_to_the_page(client: httpx.Client) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, "/", headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (307, "/ui/")
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept", "no-store")
    followed = client.get("/", headers=BROWSER, follow_redirects=True)
    assert followed.status_code == 200
    assert "<title>Celery Playground</title>" in followed.text


def test_it_is_described(client: httpx.Client) -> None:
    responses = client.get("/openapi.json").json()["paths"]["/"]["get"]["responses"]
    assert {"200", "307"} <= set(responses)
    assert responses["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Alive")
