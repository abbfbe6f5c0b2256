"""A real Chromium before the real API. Every page is watched: what it must never do is checked after each test.

Playwright's own fixtures live for a whole session, and with them an event loop in the main thread, which other
tests of the same process would trip over. These live as long as one module.
"""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import text

from background.local.postgres import EmbeddedPostgres
from tests.browser.chromium import CHROMIUM, NO_CHROMIUM
from tests.browser.watch import Watch
from tests.support import transaction, wait_for

expect.set_options(timeout=20_000)  # ms; the machine may be busy


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the installed Chromium. Without one only CI comes here, and fails."""
    return CHROMIUM or pytest.fail(NO_CHROMIUM)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless browser for the tests of one module."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium)
        yield launched
        launched.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What is forbidden to every page; `allow` what a test provokes."""
    watching = Watch()
    yield watching
    assert watching.complaints() == []


@pytest.fixture
def new_context(browser: Browser, watch: Watch, client: httpx.Client) -> Iterator[Callable[..., BrowserContext]]:
    """Makes watched contexts: each is a visitor of its own. Takes the options of `Browser.new_context`."""
    opened: list[BrowserContext] = []

    def new(**options: Any) -> BrowserContext:
        defaults = {"base_url": str(client.base_url), "locale": "en-US", "viewport": {"width": 1280, "height": 800}}
        context = browser.new_context(**{**defaults, **options})
        context.set_default_timeout(20_000)
        watch.follow(context, base_url=str(options.get("base_url", client.base_url)))
        opened.append(context)
        return context

    yield new
    for context in opened:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """An English page of 1280 by 800 pixels in light colours, nothing opened yet."""
    return new_context().new_page()


@pytest.fixture(autouse=True)
def no_jobs(chromium: str, client: httpx.Client, postgres: EmbeddedPostgres) -> None:
    """Each test begins without a job, also without one that an earlier test has left running."""

    def emptied() -> bool:
        with transaction() as connection:
            connection.execute(text("DELETE FROM jobs"))
        return not client.get("/jobs").json()

    wait_for(emptied, what="an empty table")
