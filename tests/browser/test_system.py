"""The system's page: who is alive and doing what, and the last hour."""

import re

import httpx2 as httpx
from playwright.sync_api import Page, expect

from tests.browser.screens import shown_states, submit, until
from tests.browser.traffic import fill
from tests.browser.watch import Watch
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
    expect(page.get_by_text("Jobs ended", exact=True)).to_be_visible()
    page.get_by_role("button", name="Table").click()
    minutes = page.get_by_role("table").filter(has_text="Run, p99").locator("tbody tr")
    expect(minutes.nth(40)).to_be_visible()
    page.reload()
    expect(minutes.nth(40)).to_be_visible()
    page.get_by_role("button", name="Week").click()
    expect(minutes.first).to_contain_text(re.compile(r"^\d+/\d+, \d\d:\d\d"))  # Of today, too.
    failed = client.get("/jobs/stats").json()["pipelines"]["demo"]["FAILED"]
    link = page.locator('a[href="#/jobs?pipeline=demo&status=FAILED"], a[href="#/jobs?status=FAILED&pipeline=demo"]')
    expect(link).to_have_text(str(failed))
    link.click()
    wait_for(lambda: set(shown_states(page).values()) == {"FAILED"}, what="the failed jobs")


def test_a_queue_and_a_pipeline_are_paused_and_limited(
    page: Page, watch: Watch, client: httpx.Client, worker: Process
) -> None:
    watch.allow("status of 422")
    page.goto("/ui/#/system")
    queue = page.locator('[data-queue="celery"]')
    queue.locator("[data-action=pause]").click()
    expect(queue).to_have_attribute("data-paused", "true")
    expect(queue.locator("[data-action=resume]")).to_be_visible()
    job = submit(client)
    waiting = client.get(f"/jobs/{job}").json()["waiting"]
    assert waiting == {"code": "queue_paused", "queue": "celery"}
    queue.locator("[data-action=resume]").click()
    until(client, job, "COMPLETED")
    queue.locator("[data-action=limits]").click()
    dialog = page.get_by_role("dialog")
    # What cannot be is said beside its field, and nothing that was typed is lost.
    dialog.locator("[data-field=concurrency]").fill("7")
    dialog.locator("[data-field=count]").fill("0")
    page.keyboard.press("Enter")
    wrong = dialog.locator(".field", has=page.locator("[data-field=count]"))
    expect(wrong).to_contain_text("must be greater than or equal to 1")
    expect(wrong.locator("input")).to_be_focused()
    expect(dialog.locator("[data-field=concurrency]")).to_have_value("7")
    for name, value in (("concurrency", "3"), ("count", "10"), ("seconds", "60")):
        dialog.locator(f"[data-field={name}]").fill(value)
    page.keyboard.press("Enter")
    expect(queue).to_contain_text("3 at once, 10 in 1m")
    expect(queue.locator("[data-action=limits]")).to_be_focused()
    queue.locator("[data-action=limits]").click()
    # So it is when what stands behind the dialog is drawn anew meanwhile.
    for paused in (True, False):
        client.patch("/queues/celery", json={"paused": paused}).raise_for_status()
        expect(queue).to_have_attribute("data-paused", str(paused).lower())
    page.keyboard.press("Escape")
    expect(queue.locator("[data-action=limits]")).to_be_focused()
    queue.locator("[data-action=limits]").click()
    for name in ("concurrency", "count", "seconds"):
        dialog.locator(f"[data-field={name}]").fill("")
    page.keyboard.press("Enter")
    expect(queue).not_to_contain_text("at once")
    page.goto("/ui/#/pipelines/demo")
    page.locator("[data-action=pause]").click()
    expect(page.get_by_text("It is paused")).to_be_visible()
    page.locator("[data-action=resume]").click()
    expect(page.get_by_text("It is paused")).to_have_count(0)


def test_who_uses_the_keyboard_or_a_phone_is_not_thrown_back(page: Page, client: httpx.Client, worker: Process) -> None:
    page.set_viewport_size({"width": 380, "height": 780})
    page.goto("/ui/#/system")
    queue = page.locator('[data-queue="celery"]')
    queue.locator("[data-action=pause]").focus()
    page.keyboard.press("Enter")
    expect(queue.locator("[data-action=resume]")).to_be_focused()
    scrolled = queue.locator("xpath=ancestor::*[@role='group']")
    before = scrolled.evaluate("each => each.scrollLeft")
    assert before > 0
    submit(client, params={"step_seconds": 0})
    expect(queue).to_contain_text("1, paused")
    expect(queue.locator("[data-action=resume]")).to_be_focused()
    assert scrolled.evaluate("each => each.scrollLeft") == before
    page.keyboard.press("Enter")
    expect(queue.locator("[data-action=pause]")).to_be_focused()
    pipeline = page.locator('a[href="#/pipelines/demo"]')
    pipeline.focus()
    completed = page.locator('a[href*="pipeline=demo"][href*="status=COMPLETED"]')
    expect(completed).to_have_text("1")
    submit(client, params={"step_seconds": 0})
    expect(completed).to_have_text("2")
    expect(pipeline).to_be_focused()
