"""What is pressed twice at once, as a double click does or a key that is held down, is done once."""

import httpx2 as httpx
import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.screens import failed_job, open_list, row, submit, until
from tests.support import Process


@pytest.fixture
def writes(page: Page) -> list[str]:
    """What the page asks the API to change, as it is asked."""
    found: list[str] = []

    def note(request: Request) -> None:
        if request.method != "GET":
            found.append(f"{request.method} {request.url.split('/', 3)[3]}")

    page.on("request", note)
    return found


def cancelled_job(client: httpx.Client) -> int:
    """A job that would run for an hour, and was cancelled."""
    job = submit(client, delay_seconds=86_400, params={"step_seconds": 3600})
    client.post(f"/jobs/{job}/cancel").raise_for_status()
    return job


def double_click(target: Locator, then: Locator | None = None) -> None:
    """Click twice at one place: at once, or after the first click has led to this."""
    box = target.bounding_box()
    assert box
    mouse = target.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down(click_count=1)
    mouse.up(click_count=1)
    if then:
        expect(then).to_be_visible()
    mouse.down(click_count=2)
    mouse.up(click_count=2)


def hold_enter(target: Locator) -> None:
    """Press Enter as long as a keyboard repeats it."""
    target.focus()
    for _ in range(3):
        target.page.keyboard.down("Enter")
    target.page.keyboard.up("Enter")


def test_a_job_is_tried_again_once(page: Page, client: httpx.Client, worker: Process, writes: list[str]) -> None:
    job = failed_job(client)
    page.goto(f"/ui/#/jobs/{job}")
    retry = page.locator('[data-action="retry"]')
    for attempt, press in ((2, double_click), (3, hold_enter)):
        press(retry)
        expect(page.locator("[data-fact=attempts]")).to_contain_text(f"{attempt};")
        until(client, job, "FAILED")
        expect(retry).to_be_visible()
    assert writes == [f"POST jobs/{job}/retry"] * 2


def test_what_came_into_its_place_is_not_clicked(page: Page, client: httpx.Client, writes: list[str]) -> None:
    job = cancelled_job(client)
    page.set_viewport_size({"width": 380, "height": 780})
    page.goto(f"/ui/#/jobs/{job}")
    # On a phone it stands where Retry has stood.
    double_click(page.locator('[data-action="retry"]'), then=page.locator('[data-action="cancel"]'))
    page.locator('[data-tab="data"]').click()
    assert writes == [f"POST jobs/{job}/retry"]


def test_a_question_stays(page: Page, client: httpx.Client, writes: list[str]) -> None:
    job = cancelled_job(client)
    page.goto(f"/ui/#/jobs/{job}")
    question = page.get_by_role("dialog")
    double_click(page.locator('[data-action="delete"]'), then=question)
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    hold_enter(page.locator('[data-action="delete"]'))
    expect(question).to_be_visible()
    assert writes == []


def test_a_key_of_the_page_acts_once(page: Page, client: httpx.Client, writes: list[str]) -> None:
    job = cancelled_job(client)
    open_list(page)
    row(page, job).get_by_role("link").first.focus()
    page.keyboard.down("Shift")
    page.keyboard.down("R")
    expect(page.locator(".toast")).to_contain_text(f"{job}")
    page.keyboard.down("R")
    page.keyboard.up("R")
    page.keyboard.up("Shift")
    page.keyboard.press("/")  # Whatever the second one does is done by now.
    expect(page.locator(".jump input")).to_be_focused()
    expect(page.locator(".toast")).not_to_contain_text("Only failed")
    assert writes == [f"POST jobs/{job}/retry"]


@pytest.mark.parametrize(
    "button",
    [
        ("#/documents", "report", "POST documents/report"),
        ("#/start", "job", "POST jobs"),
        ("#/start", "chord", "POST canvas"),
        ("#/system", "pause", "PATCH queues/celery"),
    ],
)
def test_a_button_acts_once(
    page: Page, client: httpx.Client, worker: Process, writes: list[str], button: tuple[str, str, str]
) -> None:
    route, action, asked = button
    page.goto(f"/ui/{route}")
    pressed = page.locator(f'main [data-action="{action}"]').first
    expect(pressed).to_be_enabled()
    try:
        double_click(pressed)
        if action == "pause":
            expect(page.locator('[data-queue="celery"]')).to_have_attribute("data-paused", "true")
        else:
            expect(page.locator("article.job")).to_be_visible()
        assert writes == [asked]
    finally:
        client.patch("/queues/celery", json={"paused": False}).raise_for_status()


def test_what_changes_nothing_may_be_clicked_quickly(page: Page, client: httpx.Client) -> None:
    page.goto("/ui/#/canvas?example=header-fails")
    sheet = page.locator(".graph-sheet")
    expect(sheet).to_be_visible()
    widths = []
    out = page.locator(".graph-zoom").first
    page.locator(".graph-zoom").nth(1).click()
    for click in (Locator.click, double_click):
        before = sheet.evaluate("sheet => sheet.getBoundingClientRect().width")
        click(out)
        widths.append(sheet.evaluate("sheet => sheet.getBoundingClientRect().width") / before)
    assert widths[1] == pytest.approx(widths[0] ** 2, rel=0.05)


def test_two_askings_meet_in_one(page: Page, client: httpx.Client, writes: list[str]) -> None:
    job = cancelled_job(client)
    page.goto(f"/ui/#/jobs/{job}")
    retry = page.locator('[data-action="retry"]')
    expect(retry).to_be_visible()
    retry.evaluate("button => { button.click(); button.click(); }")
    expect(retry).to_be_hidden()
    assert writes == [f"POST jobs/{job}/retry"]
