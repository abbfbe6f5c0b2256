"""The watch over every page sees what it is for."""

import contextlib

import httpx2 as httpx
import pytest
from playwright.sync_api import Error, Page

from tests.browser.watch import Watch
from tests.support import wait_for


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("console.error('oh no')", "console: oh no"),
        ("setTimeout(() => { throw new Error('oh no') })", "uncaught: oh no"),
        ("fetch('/jobs/9999')", "status of 404"),
        ("fetch('http://localhost:9/').catch(() => 0)", "policy: connect-src http://localhost:9"),
        ("new Function('1')()", "policy: script-src eval"),
        ("document.body.setAttribute('style', 'color: red')", "policy: style-src"),
    ],
)
def test_what_a_page_does_wrong_is_seen(page: Page, watch: Watch, script: str, complaint: str) -> None:
    page.goto("/ui/")
    page.evaluate(f"setTimeout(() => {{ {script} }})")

    def seen() -> bool:
        page.wait_for_timeout(20)  # lets the browser speak
        return any(complaint in each for each in watch.complaints())

    wait_for(seen, seconds=10, what=complaint)
    watch.allow("")


def test_a_request_to_another_host_is_seen(page: Page, watch: Watch, client: httpx.Client) -> None:
    with contextlib.suppress(Error):  # nobody is there
        page.goto("https://cdn.example/script.js")
    assert "another host: https://cdn.example/script.js" in watch.complaints()
    watch.allow("")
