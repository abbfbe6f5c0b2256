"""How the page comes: packed, as its sources, and when a request of it is lost."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.screens import expect_live
from tests.browser.watch import Watch
from tests.support import running_api, wait_for

WORDS = ("It is being loaded again.", "다시 불러오고 있습니다.")


def lose(page: Page, what: str, *, by: Callable[[Route], None]) -> list[str]:
    """The first request for this is lost; gives the addresses that were asked for."""
    asked: list[str] = []

    def handle(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            by(route)
        else:
            route.continue_()

    page.route(re.compile(what), handle)
    return asked


def expect_frame(page: Page) -> None:
    """The page is there."""
    expect(page.get_by_role("navigation", name="Sections")).to_be_visible()
    expect_live(page)


@pytest.mark.parametrize("what", [r"/page-\w+\.js", r"/page-\w+\.css"])
def test_a_lost_request_is_made_again(page: Page, watch: Watch, what: str) -> None:
    watch.allow("net::ERR_FAILED")
    asked = lose(page, what, by=lambda route: route.abort())
    page.goto("/ui/#/jobs?status=FAILED")
    if what.endswith("js"):
        for words in WORDS:
            expect(page.get_by_text(words)).to_be_hidden()

    def again() -> bool:
        page.wait_for_timeout(50)  # lets the browser go on
        return len(asked) == 2

    wait_for(again, what="the second request")
    expect_frame(page)
    expect(page.get_by_role("link", name=re.compile("^Failed"))).to_have_attribute("aria-current", "true")
    expect(page.locator("header")).to_have_css("position", "sticky")


def test_the_page_says_so_while_it_cannot_be_had(page: Page, watch: Watch) -> None:
    watch.allow("net::ERR_FAILED")
    script = re.compile(r"/page-\w+\.js")
    page.route(script, lambda route: route.abort())
    page.goto("/ui/")
    for words in WORDS:
        expect(page.get_by_text(words)).to_be_visible()
    page.unroute(script)
    expect_frame(page)


def test_a_request_without_an_answer_is_made_again(page: Page) -> None:
    held: list[Route] = []
    asked = lose(page, r"/page-\w+\.js", by=held.append)
    page.goto("/ui/", wait_until="commit")
    for words in WORDS:
        expect(page.get_by_text(words)).to_be_visible()
    expect_frame(page)
    assert len(asked) == 2


def test_without_the_first_script_the_page_comes_as_well(page: Page, watch: Watch) -> None:
    watch.allow("net::ERR_FAILED")
    page.route(re.compile(r"/boot-\w+\.js"), lambda route: route.abort())
    page.goto("/ui/")
    expect_frame(page)


def test_a_page_that_is_there_stays(page: Page) -> None:
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    page.goto("/ui/")
    expect_frame(page)
    page.wait_for_timeout(7000)
    assert len(loads) == 1
    for words in WORDS:
        expect(page.get_by_text(words)).to_have_count(0)


def test_the_sources_are_served_for_whoever_changes_them(
    new_context: Callable[..., BrowserContext], client: httpx.Client, tmp_path: Path
) -> None:
    with running_api(tmp_path / "api.log", env={"WEB_SOURCES": "true"}) as sources:
        page = new_context(base_url=str(sources.base_url)).new_page()
        with page.expect_response("**/js/jobs/list-view.js") as answer:
            page.goto("/ui/")
        assert answer.value.headers["cache-control"] == "no-cache"
        expect_frame(page)
        page.close()
