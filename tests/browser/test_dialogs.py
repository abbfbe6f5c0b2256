"""Dialogs and the history of the browser: Back closes them and stays, and they leave the same behind however closed."""

from collections.abc import Callable

import httpx2 as httpx
import pytest
from playwright.sync_api import APIResponse, BrowserContext, Locator, Page, Route, expect

from tests.browser.screens import expect_live, expect_route, failed_job, later_job, open_list, row, submit
from tests.support import Process, wait_for

WAYS: dict[str, Callable[[Page], object]] = {
    "Back": lambda page: page.go_back(),
    "Escape": lambda page: page.keyboard.press("Escape"),
    "the button": lambda page: page.get_by_role("button", name="Close").click(),
}


def entries(page: Page) -> int:
    """How long the history of this tab is."""
    return int(page.evaluate("history.length"))


def on_dialog(page: Page) -> bool:
    """Whether the present entry of the history is that of a dialog."""
    return bool(page.evaluate("history.state?.dialog === true"))


def opened(page: Page) -> Locator:
    """The form for a new job, opened from the list."""
    page.get_by_role("button", name="New job").first.click()
    dialog = page.get_by_role("dialog", name="New job")
    expect(dialog.locator('[data-field="pipeline"]')).to_be_focused()
    return dialog


@pytest.mark.parametrize("way", WAYS)
def test_a_dialog_is_closed_and_the_list_stays(page: Page, client: httpx.Client, way: str) -> None:
    job = later_job(client)
    page.goto("/ui/#/documents")
    page.goto("/ui/#/jobs?status=PENDING")
    expect(row(page, job)).to_be_visible()
    before = entries(page)
    for _ in range(2):
        dialog = opened(page)
        assert (on_dialog(page), entries(page)) == (True, before + 1)
        WAYS[way](page)
        expect(dialog).to_have_count(0)
        wait_for(lambda: not on_dialog(page), what="the entry before")
        expect_route(page, "#/jobs?status=PENDING")
        expect(page.get_by_role("button", name="New job").first).to_be_focused()
    assert entries(page) == before + 1  # the one that Forward would lead to
    page.go_back()
    expect_route(page, "#/documents")


def test_forward_leads_to_no_dialog_that_is_gone(page: Page) -> None:
    open_list(page)
    dialog = opened(page)
    page.go_back()
    expect(dialog).to_have_count(0)
    page.evaluate("history.forward()")
    wait_for(lambda: not on_dialog(page), what="the entry before")
    page.evaluate("new Promise((done) => setTimeout(done))")
    assert not on_dialog(page)
    expect_route(page, "#/jobs")


def test_a_dialog_that_a_reload_has_closed_leaves_no_second_entry(page: Page) -> None:
    page.goto("/ui/#/documents")
    page.goto("/ui/#/jobs")
    opened(page)
    page.reload()
    wait_for(lambda: page.evaluate("history.state?.seen && !history.state.dialog"), what="the entry before")
    expect_live(page)
    dialog = opened(page)
    page.go_back()
    expect(dialog).to_have_count(0)
    expect_route(page, "#/jobs")
    page.go_back()
    expect_route(page, "#/documents")


def test_what_is_done_in_a_dialog_takes_its_place(page: Page, client: httpx.Client) -> None:
    page.goto("/ui/#/documents")
    page.goto("/ui/#/jobs")
    before = entries(page)
    opened(page).locator('[data-action="submit"]').click()
    page.wait_for_url("**/#/jobs/*")
    assert entries(page) == before + 1
    page.go_back()
    expect_route(page, "#/jobs")
    assert not on_dialog(page)
    page.go_back()
    expect_route(page, "#/documents")


def test_who_goes_on_at_once_gets_there(page: Page) -> None:
    open_list(page)
    before = entries(page)
    dialog = opened(page)
    # After the listener of the dialog itself, so while its entry is being left.
    page.evaluate("""() => {
      const dialog = document.querySelector("dialog[open]");
      dialog.addEventListener("close", () => { location.hash = "#/documents"; });
      dialog.close();
    }""")
    expect(dialog).to_have_count(0)
    there = "location.hash === '#/documents' && history.state?.seen && history.length"
    wait_for(lambda: page.evaluate(there) == before + 1, what="the entry in the place of the dialog's")
    expect(page.get_by_role("heading", level=1, name="Documents")).to_be_visible()
    page.go_back()
    expect_route(page, "#/jobs")
    assert not on_dialog(page)


def test_a_link_to_the_form_is_a_list_with_the_form_before_it(page: Page) -> None:
    page.goto("/ui/#/documents")
    page.goto("/ui/#/jobs/new?status=FAILED")
    dialog = page.get_by_role("dialog", name="New job")
    expect(dialog.locator('[data-field="pipeline"]')).to_be_focused()
    page.go_back()
    expect(dialog).to_have_count(0)
    expect_route(page, "#/jobs?status=FAILED")
    page.go_back()
    expect_route(page, "#/documents")


def test_back_closes_a_question_and_nothing_is_done(page: Page, client: httpx.Client, worker: Process) -> None:
    job = failed_job(client)
    page.goto("/ui/#/jobs")
    page.goto(f"/ui/#/jobs/{job}")
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_route(page, f"#/jobs/{job}")
    assert client.get(f"/jobs/{job}").status_code == 200
    page.get_by_role("button", name="Delete…").click()
    page.locator('[data-action="confirm"]').click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_route(page, "#/jobs")
    assert client.get(f"/jobs/{job}").status_code == 404


def test_a_question_that_is_no_longer_one_is_taken_back(page: Page, client: httpx.Client) -> None:
    job = submit(client, delay_seconds=86_400, params={"step_seconds": 3600})  # That no worker ends it meanwhile.
    client.post(f"/jobs/{job}/cancel").raise_for_status()

    def asked_in_vain() -> None:
        expect(page.get_by_role("dialog")).to_be_visible()
        client.post(f"/jobs/{job}/retry").raise_for_status()  # elsewhere
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("status")).to_have_text("It has changed meanwhile, so nothing was done.")
        client.post(f"/jobs/{job}/cancel").raise_for_status()

    open_list(page)
    row(page, job).locator("[aria-haspopup=menu]").click()
    page.locator(".menu [data-action=delete]").click()
    asked_in_vain()
    page.goto(f"/ui/#/jobs/{job}")
    page.get_by_role("button", name="Delete…").click()
    asked_in_vain()


def test_nothing_is_read_of_a_job_while_it_is_being_deleted(page: Page, client: httpx.Client, worker: Process) -> None:
    job = failed_job(client)
    deleted: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if route.request.method == "DELETE":
            deleted.append((route, route.fetch()))
        else:
            route.fallback()

    page.clock.install()
    page.route(f"**/jobs/{job}", hold)
    page.goto(f"/ui/#/jobs/{job}")
    page.get_by_role("button", name="Delete…").click()
    page.locator('[data-action="confirm"]').click()
    wait_for(lambda: page.title() and deleted, what="the deletion")
    page.clock.run_for(11_000)  # ms, in which an ended job is looked at twice
    ((route, response),) = deleted
    route.fulfill(response=response)
    expect_route(page, "#/jobs")


def test_on_a_phone_back_closes_the_form(new_context: Callable[..., BrowserContext], worker: Process) -> None:
    page = new_context(viewport={"width": 380, "height": 700}, has_touch=True, is_mobile=True).new_page()
    open_list(page)
    page.get_by_role("button", name="New job").first.tap()
    dialog = page.get_by_role("dialog", name="New job")
    expect(dialog.locator('[data-field="pipeline"]')).to_be_focused()
    page.go_back()
    expect(dialog).to_have_count(0)
    expect_route(page, "#/jobs")
    expect_live(page)
