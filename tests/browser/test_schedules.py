"""Schedules on the page: made, run, paused, changed and removed; and where they are reached from.

No worker is here: one would make the job of a schedule that is shown as due.
"""

from collections.abc import Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import APIResponse, Page, Route, expect
from sqlalchemy import text

from tests.browser.screens import expect_live, expect_route
from tests.browser.watch import Watch
from tests.support import transaction, wait_for

SLOW_BACK = """
  const back = history.back.bind(history);
  history.back = () => setTimeout(back, 8000);
"""


@pytest.fixture(autouse=True)
def empty(client: httpx.Client) -> Iterator[None]:
    """No schedule."""

    def clear() -> None:
        for each in client.get("/schedules").json():
            client.delete(f"/schedules/{each['id']}").raise_for_status()

    clear()
    yield
    clear()


def test_from_making_to_removing_one(page: Page, client: httpx.Client, watch: Watch) -> None:
    watch.allow("status of 422")
    page.goto("/ui/#/jobs")
    page.locator("[data-action=schedules]").click()
    expect(page.locator("[data-empty]")).to_contain_text("No schedule yet")
    page.keyboard.press("n")
    dialog = page.locator("[data-dialog=schedule]")
    dialog.locator("[data-field=name]").fill("nightly")
    dialog.locator("[data-field=cron]").fill("0 0 30 2 *")
    dialog.locator("[data-field=timezone]").fill("Mars/Olympus")
    dialog.locator("[data-action=submit]").click()
    expect(dialog.locator(".field", has=page.locator("[data-field=cron]"))).to_contain_text("never fires")
    expect(dialog.locator(".field", has=page.locator("[data-field=timezone]"))).to_contain_text("is no time zone")
    assert client.get("/schedules").json() == []
    dialog.locator("[data-field=cron]").fill("0 3 * * MON-FRI")
    dialog.locator("[data-field=timezone]").fill("Asia/Seoul")
    dialog.locator("[data-field=step_seconds]").fill("3")
    dialog.locator("[data-action=submit]").click()
    card = page.locator("[data-schedule]")
    expect(card).to_contain_text("0 3 * * MON-FRI Asia/Seoul")
    (made,) = client.get("/schedules").json()
    assert (made["name"], made["params"]["step_seconds"], made["catch_up"]) == ("nightly", 3, False)

    card.locator("[data-action=pause]").press("Enter")
    expect(card).to_have_attribute("data-paused", "true")
    expect(card).to_contain_text("Paused")
    expect(card.locator("[data-action=resume]")).to_be_focused()
    card.locator("[data-action=edit]").click()
    expect(dialog.locator("[data-field=cron]")).to_have_value("0 3 * * MON-FRI")
    dialog.locator("[data-field=cron]").fill("")
    dialog.locator("[data-field=every_seconds]").fill("90")
    dialog.locator("[data-field=catch_up]").check()
    dialog.locator("[data-action=submit]").click()
    expect(card).to_contain_text("every 1m 30s")
    changed = client.get(f"/schedules/{made['id']}").json()
    assert (changed["cron"], changed["catch_up"], changed["paused"]) == (None, True, True)
    card.locator("[data-action=resume]").click()
    expect(card).to_have_attribute("data-paused", "false")
    card.get_by_role("link", name="nightly").click()
    expect(card.get_by_role("listitem")).to_have_count(5)
    card.locator("[data-action=delete]").click()
    page.locator("[data-action=confirm]").click()
    expect(page.locator("[data-empty]")).to_contain_text("No schedule yet")
    assert client.get("/schedules").json() == []


def test_a_job_and_its_schedule_lead_to_each_other(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 404")
    body = {"name": "often", "pipeline": "demo", "every_seconds": 1000, "params": {"step_seconds": 0}}
    client.post("/schedules", json=body).raise_for_status()
    page.goto("/ui/#/pipelines/demo")
    page.locator("[data-link=schedules]").click()
    card = page.locator("[data-schedule]")
    card.locator("[data-action=run]").click()
    page.locator(".toast a").click()
    page.locator("[data-fact=schedule] a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Schedule often")
    expect(page).to_have_title("Schedule often · Celery Playground")
    expect(card.get_by_role("listitem")).to_have_count(5)
    (schedule,) = client.get("/schedules").json()
    client.delete(f"/schedules/{schedule['id']}").raise_for_status()
    expect(page.get_by_text("There is no such schedule")).to_be_visible()
    expect(page).to_have_title("Schedules · Celery Playground")


def test_one_that_is_due_while_nobody_makes_its_job_says_so(page: Page, client: httpx.Client) -> None:
    body = {"name": "often", "pipeline": "demo", "every_seconds": 1000}
    schedule = client.post("/schedules", json=body).raise_for_status().json()["id"]
    page.goto("/ui/#/schedules")
    entry = page.locator(f"[data-schedule='{schedule}'] time").first
    expect(entry).to_contain_text("(16m ")
    page.keyboard.press("p")  # Nothing is read any more, and the time goes on.
    expect(entry).not_to_have_text(entry.inner_text())
    page.keyboard.press("p")
    with transaction() as connection:
        connection.execute(text("UPDATE schedules SET next_at = now() - interval '1 minute'"))
    expect(entry).to_contain_text("(due)")


def test_nothing_is_read_of_a_schedule_that_is_deleted(page: Page, client: httpx.Client) -> None:
    body = {"name": "often", "pipeline": "demo", "every_seconds": 1000}
    schedule = client.post("/schedules", json=body).raise_for_status().json()["id"]
    deleted: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if route.request.method == "DELETE":
            deleted.append((route, route.fetch()))
        else:
            route.fallback()

    page.add_init_script(SLOW_BACK)  # away from the question, before which nobody goes elsewhere
    page.clock.install()
    page.route(f"**/schedules/{schedule}", hold)
    page.goto(f"/ui/#/schedules/{schedule}")
    page.locator("[data-action=delete]").click()
    page.locator("[data-action=confirm]").click()
    wait_for(lambda: page.title() and deleted, what="the deletion")
    page.clock.run_for(7_000)  # ms, in which it is looked at
    expect_live(page)
    ((route, response),) = deleted
    route.fulfill(response=response)
    expect(page.locator(".toast")).to_contain_text("often")
    page.clock.run_for(7_000)
    expect_route(page, "#/schedules")
    expect(page.locator("[data-empty]")).to_contain_text("No schedule yet")
