"""The system's page: who is alive and doing what, and the last hour."""

import httpx2 as httpx
from playwright.sync_api import Page, expect

from tests.browser.screens import shown_states, submit, until
from tests.browser.traffic import fill
from tests.support import Process, wait_for


def test_workers_and_what_they_do(page: Page, client: httpx.Client, worker: Process) -> None:
    job = submit(client, params={"step_seconds": 60})
    until(client, job, "IN_PROGRESS")
    page.goto("/ui/#/system")
    alive = page.locator("[data-worker]").filter(has_text="worker@")
    expect(alive).to_contain_text("Alive")
    alive.get_by_role("link", name=f"job {job}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(job))
    client.post(f"/jobs/{job}/cancel").raise_for_status()


def test_the_last_hour_as_chart_and_as_table(page: Page, client: httpx.Client) -> None:
    fill(600, seconds_apart=5)
    page.goto("/ui/#/system")
    expect(page.get_by_text("Jobs ended per minute")).to_be_visible()
    page.get_by_role("button", name="Table").click()
    minutes = page.get_by_role("table").filter(has_text="Minute").locator("tbody tr")
    expect(minutes.nth(40)).to_be_visible()
    page.reload()
    expect(minutes.nth(40)).to_be_visible()
    failed = client.get("/jobs/stats").json()["pipelines"]["demo"]["FAILED"]
    link = page.locator('a[href="#/jobs?pipeline=demo&status=FAILED"], a[href="#/jobs?status=FAILED&pipeline=demo"]')
    expect(link).to_have_text(str(failed))
    link.click()
    wait_for(lambda: set(shown_states(page).values()) == {"FAILED"}, what="the failed jobs")
