"""Every screen in both languages and colour schemes on a narrow phone: nothing sticks out, axe has no serious word."""

from collections.abc import Callable, Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.axe import axe
from tests.browser.screens import expect_live, failed_job, later_job, open_list, row, submit, until
from tests.browser.traffic import fill
from tests.browser.watch import Watch
from tests.support import Process

PHONE = {"width": 380, "height": 780}


def faults(page: Page) -> list[str]:
    """What axe calls serious or critical, each with the first place where it is so."""
    return [
        f"{page.url}: {each['id']}: {each['help']}: {[node['target'] for node in each['nodes'][:3]]}"
        for each in axe(page)["violations"]
        if each["impact"] in ("serious", "critical")
    ]


WIDER = """
() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML.slice(0, 80))
"""


def sideways(page: Page) -> list[str]:
    """What sticks out where the page is wider than its window."""
    found: list[str] = page.evaluate(WIDER)
    return found


def screens(page: Page, client: httpx.Client) -> Iterator[str]:
    """Show one screen after the other; gives the name of each."""
    open_list(page)
    expect(page.locator("[data-empty]")).to_be_visible()
    yield "the empty list"
    failed = failed_job(client)
    later = later_job(client)
    done = submit(client, params={"step_seconds": 0})
    until(client, done, "COMPLETED")
    for job in (failed, later, done):
        expect(row(page, job)).to_be_visible()
    yield "the list"
    row(page, failed).get_by_role("checkbox").check()
    yield "the list with a selection"
    page.locator('[data-action="delete"]').click()
    yield "a question"
    page.keyboard.press("Escape")
    for job in (failed, later, done):
        for tab in ("", "?tab=events", "?tab=data"):
            page.goto(f"/ui/#/jobs/{job}{tab}")
            expect(page.get_by_role("heading", level=1)).to_contain_text(str(job))
            yield f"job {job}{tab}"
    page.goto("/ui/#/jobs/new")
    expect(page.locator('[data-field="step_seconds"]')).to_be_visible()
    yield "a new job"
    page.keyboard.press("Escape")
    page.goto("/ui/#/system")
    yield "the system"
    page.goto("/ui/#/nowhere")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    yield "nothing"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
def test_a_phone_shows_every_screen_well(
    new_context: Callable[..., BrowserContext], client: httpx.Client, worker: Process, scheme: str, language: str
) -> None:
    page = new_context(viewport=PHONE, color_scheme=scheme, locale=language).new_page()
    found: list[str] = []
    for name in screens(page, client):
        assert page.locator("html").get_attribute("lang") == language[:2]
        if wider := sideways(page):
            found.append(f"{name} is too wide: {wider[:3]}")
        found += [f"{name}: {fault}" for fault in faults(page)]
    assert not found, "\n".join(found)


def test_a_wide_screen_has_no_serious_fault(page: Page, client: httpx.Client, worker: Process) -> None:
    found = [f"{name}: {fault}" for name in screens(page, client) for fault in faults(page)]
    assert not found, "\n".join(found)


def test_language_and_theme_are_chosen_and_kept(page: Page, client: httpx.Client) -> None:
    open_list(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 26)"
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.reload()
    expect_live(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("작업")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 26)"
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")


def test_what_is_forced_or_reduced_by_the_reader_is_kept(
    new_context: Callable[..., BrowserContext], watch: Watch, client: httpx.Client
) -> None:
    failed = later_job(client)
    page = new_context(forced_colors="active", reduced_motion="reduce").new_page()
    open_list(page)
    expect(row(page, failed).get_by_text("Pending")).to_be_visible()
    running = page.evaluate("document.getAnimations().filter(a => a.playState === 'running').length")
    assert running == 0
    # What is chosen looks so without the page's own colours, too.
    look = "all => all.map(e => [getComputedStyle(e).borderBottomColor, getComputedStyle(e).backgroundColor].join())"
    for chosen, others in (
        (".chip[aria-current]", ".chip:not([aria-current])"),
        (".sections a[aria-current]", ".sections a:not([aria-current])"),
    ):
        assert not {*page.locator(chosen).evaluate_all(look)} & {*page.locator(others).evaluate_all(look)}, chosen
    page.goto(f"/ui/#/jobs/{failed}")
    picture = page.locator(".tabs.compact [aria-pressed=true]")
    expect(picture).to_be_visible()
    table = page.locator(".tabs.compact [aria-pressed=false]")
    assert picture.evaluate_all(look) != table.evaluate_all(look)
    expect(page.locator(".gantt-line[aria-pressed=true]")).to_have_css("outline-style", "solid")


def test_twice_as_large_text_has_the_room_that_it_takes(browser: Browser, chromium: str, client: httpx.Client) -> None:
    job = later_job(client)
    larger = browser.browser_type.launch(executable_path=chromium, args=["--blink-settings=defaultFontSize=32"])
    page = larger.new_page(base_url=str(client.base_url), viewport={"width": 1280, "height": 800})
    for route in ("#/start", "#/runs", "#/documents", "#/system", "#/jobs"):
        page.goto(f"/ui/{route}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 1280, route
    cell = row(page, job).locator(".c-status")
    expect(cell).to_be_visible()
    assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    larger.close()


def test_on_paper_stands_what_is_known_and_nothing_that_is_pressed(
    new_context: Callable[..., BrowserContext], client: httpx.Client
) -> None:
    fill(100)
    page = new_context(viewport={"width": 720, "height": 1000}).new_page()
    open_list(page)
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(media="print")
    expect(page.locator("tr[data-job-id]").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 36, 48)"
    for pressed in (".sections", "[data-action=new]", ".filters", ".skip"):
        expect(page.locator(pressed)).to_be_hidden()
    drawn = page.locator("tr[data-job-id]").count()
    assert page.locator("table.jobs").evaluate("table => table.offsetHeight") < (drawn + 3) * 40
