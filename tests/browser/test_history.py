"""What people look for afterwards: charts, a pipeline's page, a worker's, two attempts side by side, links, files."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import text

from background.upkeep.history import add_up
from tests.browser.screens import expect_route, failed_job, open_list, row, submit, until
from tests.browser.traffic import fill
from tests.browser.watch import Watch
from tests.support import Process, transaction, wait_for


@pytest.fixture
def history() -> Iterator[None]:
    """Three days of jobs, added up; a worker beside has added up the present before, and then the past is over."""
    forget()
    fill(900, seconds_apart=300)
    add_up(lambda _: False)
    yield
    forget()


def forget() -> None:
    """As if nothing had been added up yet."""
    with transaction() as connection:
        connection.execute(text("TRUNCATE job_history"))


def test_charts_of_an_hour_a_day_and_a_week(page: Page, client: httpx.Client, history: None) -> None:
    page.goto("/ui/#/system")
    ended = page.locator("[data-chart=ended]")
    expect(ended.locator("canvas")).to_be_visible()
    for range_, least in (("Day", 200), ("Week", 800)):
        page.get_by_role("button", name=range_, exact=True).click()
        found = client.get("/jobs/stats", params={"range": range_.lower()}).json()["series"]
        total = sum(each["completed"] + each["failed"] + each["cancelled"] for each in found)
        assert total >= least
        expect(ended).to_contain_text(f"{total:,} in all")
    expect_route(page, "#/system?range=week")
    # By keyboard, and in words: no mouse and no eyes are needed.
    slider = page.get_by_role("slider", name="Wait before the start")
    slider.press("End")
    newest = slider.get_attribute("aria-valuetext") or ""
    assert re.search(r": p50 \S+, p95 \S+, p99 \S+$", newest), newest
    slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", "82")
    expect(page.locator("[data-chart=waiting] .chart-time")).not_to_be_empty()
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Table").click()
    expect(page.get_by_role("columnheader", name="Run, p95")).to_be_visible()
    page.reload()
    expect(page.locator("table.numbers tbody tr").nth(30)).to_be_visible()


def test_a_pipeline_has_a_page(page: Page, client: httpx.Client, worker: Process, history: None) -> None:
    failed = failed_job(client)
    open_list(page)
    row(page, failed).get_by_role("link", name="demo").click()
    expect_route(page, "#/pipelines/demo")
    main = page.locator("main")
    expect(main.get_by_role("listitem").filter(has_text="publish")).to_be_visible()
    expect(page.locator('[data-param="fail_at_step"]')).to_contain_text("1 to 3")
    expect(page.locator('[data-param="step_seconds"]')).to_contain_text("the server's default")
    expect(page.locator('[data-param="step_seconds"] code')).to_have_text("step_seconds")
    expect(page.locator("canvas")).to_have_count(3)
    kinds = page.locator("[data-failure]")
    expect(kinds).to_have_count(2)
    expect(kinds.filter(has_text="fail_at_step asks for").get_by_role("link")).to_have_text(f"#{failed}")
    expect(row(page, failed)).to_have_attribute("data-status", "FAILED")
    waits = row(page, submit(client, delay_seconds=500)).locator(".reason")
    expect(waits).to_contain_text("it may begin in 8m ")
    page.keyboard.press("p")  # Nothing is read any more, and the time goes on.
    expect(waits).not_to_have_text(waits.inner_text())
    long = text("UPDATE jobs SET error = 'ValueError: ' || repeat('x', 900) WHERE id = :id")
    with transaction() as connection:
        connection.execute(long, {"id": failed})
    page.reload()
    expect(kinds.filter(has_text="xxx").get_by_text("ValueError: x")).to_have_text(f"ValueError: {'x' * 108}…")
    page.goto("/ui/#/pipelines/document")
    page.locator("[data-action=new]").click()
    expect(page.get_by_role("dialog").locator("[data-field=pipeline]")).to_have_value("document")
    page.keyboard.press("Escape")
    page.get_by_role("navigation", name="Where you are").get_by_role("link").click()
    expect(page.locator("[data-pipeline]")).to_have_count(2)
    page.goto("/ui/#/pipelines/nope")
    expect(page.get_by_text("There is no such pipeline")).to_be_visible()
    page.goto("/ui/#/pipelines/callback_url")  # to which the page of a worker leads
    expect(page.get_by_text("Its jobs are calls")).to_be_visible()
    expect(page.locator(".plan li")).to_have_text("deliver")
    for link in ("[data-action=new]", "[data-action=pause]", "[data-link=schedules]"):
        expect(page.locator(link)).to_be_hidden()
    # A name alone says nothing: no pipeline has this hook.
    page.goto("/ui/#/pipelines/demo.on_success")
    expect(page.get_by_text("There is no such pipeline")).to_be_visible()


def test_a_worker_has_a_page_with_what_it_did(page: Page, client: httpx.Client, worker: Process) -> None:
    fill(20)
    done, running = submit(client, params={"step_seconds": 0}), submit(client, params={"step_seconds": 60})
    name = until(client, done, "COMPLETED")["worker"]
    until(client, running, "IN_PROGRESS")
    page.goto("/ui/#/system")
    page.get_by_role("link", name=name).click()
    article = page.locator(f'[data-worker="{name}"]')
    expect(article).to_have_attribute("data-status", "alive")
    expect(article.get_by_role("link", name=f"job {running}")).to_be_visible()
    expect(page.locator("tr[data-job-id]")).to_have_count(2)
    expect(article.locator("[data-figure=completed] .figure-value")).to_have_text("1")
    # One that is not there any more: its jobs tell what it did.
    page.goto("/ui/#/workers/celery%40one")
    expect(page.locator("tr[data-job-id]")).to_have_count(19)
    expect(page.get_by_text("was stopped as planned")).to_be_visible()
    # Back leads to where it was left, once it is as long again.
    page.set_viewport_size({"width": 1280, "height": 400})
    link = page.locator("tr[data-job-id] .c-id a").last
    link.focus()
    left = page.evaluate("scrollY")
    assert left > 0
    link.press("Enter")
    expect(page.locator("article.job")).to_be_visible()
    page.go_back()
    expect(link).to_be_focused()
    wait_for(lambda: page.evaluate("scrollY") == left, what="the scroll as it was")
    page.goto("/ui/#/workers/nobody")
    expect(page.get_by_text("There is no such worker")).to_be_visible()
    client.post(f"/jobs/{running}/cancel").raise_for_status()


def test_two_attempts_side_by_side(page: Page, client: httpx.Client, worker: Process) -> None:
    job = submit(client, params={"step_seconds": 0, "fail_at_step": 2, "fail_times": 1}, max_attempts=3)
    until(client, job, "COMPLETED")
    page.goto(f"/ui/#/jobs/{job}")
    page.get_by_role("button", name="Compare").click()
    second = page.locator('tr[data-step="2"]')
    expect(second).to_contain_text("Failed, tried again")
    expect(second).to_contain_text("fail_at_step asks for")
    expect(second).to_contain_text("Completed")
    expect(page.locator('tr[data-step="1"]')).to_contain_text("not run in this attempt")
    page.get_by_label("Second attempt").select_option("1")
    expect_route(page, f"#/jobs/{job}?tab=compare&right=1")
    expect(page.locator('tr[data-step="3"]').get_by_text("not run in this attempt")).to_have_count(2)
    page.goto(f"/ui/#/jobs/{submit(client, delay_seconds=1000)}?tab=compare")
    expect(page.locator(".gantt-line").first).to_be_visible()
    expect(page.get_by_role("button", name="Compare")).to_be_hidden()


def test_a_link_is_copied_or_is_there_to_be_copied(new_context: Callable[..., BrowserContext]) -> None:
    page = new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto("/ui/#/pipelines/demo?range=day")
    page.locator("[data-action=copy-link]").click()
    expect(page.get_by_role("status")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()) }")
    page.locator("[data-action=copy-link]").click()
    link = page.get_by_role("textbox", name="Copy link")
    expect(link).to_be_focused()
    assert page.evaluate("getSelection().toString()") == page.url


def test_a_list_is_exported_as_its_filter_has_it(page: Page, client: httpx.Client) -> None:
    fill(1500)
    with transaction() as connection:
        connection.execute(text("UPDATE jobs SET error = '=HYPERLINK(\"http://x\"), 값' WHERE status = 'FAILED'"))
    open_list(page, "?status=FAILED")
    failed = [each["id"] for each in client.get("/jobs", params={"status": "FAILED", "limit": 1000}).json()]
    page.locator("[data-action=export]").click()
    with page.expect_download() as download:
        page.locator("dialog [data-action=csv]").click()
    assert download.value.suggested_filename == "jobs.csv"
    content = download.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [int(each["id"]) for each in rows] == failed
    assert {each["error"] for each in rows} == {'\'=HYPERLINK("http://x"), 값'}
    # All of them, which is more than a page of the API.
    page.goto("/ui/#/jobs")
    page.locator("[data-action=export]").click()
    with page.expect_download() as download:
        page.locator("dialog [data-action=json]").click()
    assert len({each["id"] for each in json.loads(download.value.path().read_text())}) == 1500


def test_a_file_that_does_not_come_is_said(page: Page, watch: Watch) -> None:
    watch.allow("net::ERR_FAILED")
    pattern = re.compile(r"/later-[0-9A-Z]{8}\.js")
    page.route(pattern, lambda route: route.abort())
    page.goto("/ui/#/pipelines/demo")
    expect(page.get_by_role("heading", name="This could not be read")).to_be_visible()
    page.unroute(pattern)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-param]").first).to_be_visible()
