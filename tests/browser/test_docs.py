"""The API's own page, from files of our own, under a strict policy."""

from playwright.sync_api import Page, expect


def test_every_operation_is_there_and_can_be_tried(page: Page, client: object) -> None:
    page.goto("/docs")
    expect(page.locator(".opblock")).to_have_count(49)
    alive = page.locator(".opblock", has=page.locator('[data-path="/"]'))
    alive.click()
    alive.get_by_role("button", name="Try it out").click()
    alive.get_by_role("button", name="Execute").click()
    expect(alive.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
