"""An API that wants a key: the page asks for it, keeps it for the tab, and its streams carry it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.screens import expect_live, open_list, row, submit
from tests.browser.watch import Watch
from tests.support import running_api, wait_for

READ, WRITE = "a-key-that-may-read", "a-key-that-may-write"


@pytest.fixture(scope="module")
def guarded(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an API with two keys, on the servers of the other one."""
    keys = {"API_KEYS": f"viewer:read:{READ},editor:write:{WRITE}"}
    log: Path = tmp_path_factory.mktemp("guarded") / "api.log"
    with running_api(log, env=keys) as api:
        yield str(api.base_url)


@pytest.fixture
def visitor(new_context: Callable[..., BrowserContext], watch: Watch, guarded: str) -> BrowserContext:
    """One who has opened nothing yet; the browser itself logs each answer that refuses."""
    watch.allow("status of 40[13]")
    return new_context(base_url=guarded)


def use_key(page: Page, key: str) -> None:
    """Give this key when asked."""
    dialog = page.get_by_role("dialog", name="API key")
    dialog.get_by_label("Key", exact=True).fill(key)
    dialog.get_by_role("button", name="Use this key").click()


def test_the_key_is_asked_for_and_kept_for_the_tab(visitor: BrowserContext, client: httpx.Client) -> None:
    before = submit(client)
    page = visitor.new_page()
    page.goto("/ui/#/jobs")
    use_key(page, "a wrong one")
    expect(page.get_by_role("alert")).to_have_text("The API did not take that key.")
    use_key(page, WRITE)
    expect_live(page)
    expect(row(page, before)).to_be_visible()
    expect(row(page, submit(client))).to_be_visible()
    assert WRITE not in page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    page.reload()
    expect_live(page)
    other = visitor.new_page()
    other.goto("/ui/")
    expect(other.get_by_role("dialog", name="API key")).to_be_visible()


def test_a_key_that_may_only_read_is_told_so(visitor: BrowserContext, client: httpx.Client) -> None:
    page = visitor.new_page()
    page.goto("/ui/")
    use_key(page, READ)
    expect_live(page)
    open_list(page)
    page.get_by_role("button", name="New job").first.click()
    page.locator('[data-action="submit"]').click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("read")
    assert client.get("/jobs").json() == []


def test_a_refusal_from_before_the_key_asks_for_no_other(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    held: list[Route] = []
    page.route("**/events", lambda route: route.continue_() if held else held.append(route))
    page.goto("/ui/")
    wait_for(lambda: page.evaluate("1") and held, what="the stream's request")
    use_key(page, READ)
    expect(page.get_by_role("dialog")).to_have_count(0)
    held[0].continue_()
    expect_live(page)


@pytest.mark.parametrize(("language", "head"), [("en", "By"), ("ko", "주체")])
def test_the_history_shows_whose_key_asked(
    new_context: Callable[..., BrowserContext], watch: Watch, guarded: str, language: str, head: str
) -> None:
    watch.allow("status of 40[13]")
    with httpx.Client(base_url=guarded, headers={"X-API-Key": WRITE}) as editor:
        job = editor.post("/jobs", json={"delay_seconds": 3600}).json()["job_id"]
        assert editor.post(f"/jobs/{job}/cancel").status_code == 202
    for width in (1280, 360):
        page = new_context(base_url=guarded, locale=language, viewport={"width": width, "height": 800}).new_page()
        page.goto(f"/ui/#/jobs/{job}?tab=events")
        page.locator('input[name="api-key"]').fill(READ)
        page.keyboard.press("Enter")
        line = page.locator('tr[data-event="cancelled"]')
        expect(line.get_by_text("editor", exact=True)).to_be_visible()
        expect(page.locator(".history th", has_text=head)).to_have_count(1)
