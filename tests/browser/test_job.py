"""The page of one job: what it says first, its attempts over time, and what can be done with it."""

import httpx2 as httpx
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import text

from tests.browser.screens import expect_live, expect_route, failed_job, later_job, open_list, row, until
from tests.browser.traffic import begin
from tests.browser.watch import Watch
from tests.support import Process, transaction, wait_for

GONE = 999_999_999
_LONG = text("""
WITH job AS (UPDATE jobs SET event_count = :last WHERE id = :id)
INSERT INTO job_events (job_id, number, kind, attempt)
SELECT :id, number, 'handed_back', 1 FROM generate_series(3, :last) AS number
""")


def open_job(page: Page, job: int, query: str = "") -> Locator:
    """Open the page of a job; gives its article."""
    page.goto(f"/ui/#/jobs/{job}{query}")
    article = page.locator(f'article[data-job-id="{job}"]')
    expect(article).to_be_visible()
    return article


def drawn(page: Page) -> list[tuple[str, str, str]]:
    """Step, attempt and role of each line of the picture."""
    lines = page.locator(".gantt-line[data-attempt]")
    found = lines.evaluate_all("all => all.map(each => [each.dataset.step, each.dataset.attempt, each.dataset.role])")
    return [(step, attempt, role) for step, attempt, role in found]


def test_a_job_is_followed_to_its_end(page: Page, client: httpx.Client) -> None:
    moving = begin()
    article = open_job(page, moving.job_id)
    sentence = article.locator("[data-sentence]")
    expect(sentence).to_contain_text("Step 1 of 3, prepare")
    moving.progress(0.5)
    expect(sentence).to_contain_text("50%")
    moving.end_step()
    expect(sentence).to_contain_text("Step 2 of 3, process")
    moving.end_step()
    expect(sentence).to_contain_text("Step 3 of 3, publish")
    moving.end_step()
    expect(article).to_have_attribute("data-status", "COMPLETED")
    expect(sentence).to_contain_text("All 3 steps completed")
    wait_for(lambda: drawn(page) == [("1", "1", "ok"), ("2", "1", "ok"), ("3", "1", "ok")], what="the picture")
    expect(page.get_by_role("status")).to_contain_text(str(moving.job_id))
    expect(page.locator(".live")).to_have_attribute("data-state", "off")
    article.locator('[data-tab="data"]').click()
    expect(article.get_by_role("region", name="Result")).to_be_visible()


def test_progress_that_is_no_event_is_shown_as_well(page: Page, client: httpx.Client) -> None:
    moving = begin()
    article = open_job(page, moving.job_id)
    moving.progress(0.25)
    expect(article.locator("[data-sentence]")).to_contain_text("25%")
    moving.progress(0.5, tell=False)
    expect(article.locator("[data-sentence]")).to_contain_text("50%")


def test_what_is_too_large_for_a_stream_or_a_list_is_shown_on_its_own_page(page: Page, client: httpx.Client) -> None:
    moving = begin()
    article = open_job(page, moving.job_id, "?tab=data")
    expect_live(page)
    large = f'"{"long " * 5_000}the end"'
    for _ in range(3):
        moving.end_step(large)
    expect(article).to_have_attribute("data-status", "COMPLETED")
    expect(article.get_by_role("region", name="Result")).to_contain_text("the end")
    article.locator('[data-tab="steps"]').click()
    expect(article.get_by_role("region", name="Output")).to_contain_text("the end")
    open_list(page)
    expect(row(page, moving.job_id)).to_contain_text("a large result")


def test_a_long_history_is_read_backwards(page: Page, client: httpx.Client) -> None:
    moving = begin()
    with transaction() as connection:
        values = {"id": moving.job_id, "last": 2_300}
        connection.execute(_LONG, values)
    article = open_job(page, moving.job_id, "?tab=events")
    lines = article.locator("tr[data-event]")
    expect(lines).to_have_count(1_000)
    older = article.get_by_role("button", name="Older events")
    older.click()
    expect(lines).to_have_count(2_000)
    # What comes meanwhile goes on below.
    moving.end_step()
    expect(article.locator('[data-event="step_completed"]')).to_be_visible()
    older.click()
    expect(older).to_be_hidden()
    expect(lines).to_have_count(2_301)
    assert lines.evaluate_all("all => all.map(each => Number(each.cells[0].textContent.replace(/,/g, '')))") == [
        *range(1, 2_302)
    ]


def test_a_failed_job_says_why_first(page: Page, client: httpx.Client, worker: Process) -> None:
    job = failed_job(client)
    article = open_job(page, job)
    expect(article.locator("[data-sentence]")).to_contain_text("RuntimeError: Step 2 failed")
    expect(article.locator("[data-sentence]")).to_contain_text("worker@")
    expect(article.get_by_role("region", name="Traceback")).to_contain_text("raise RuntimeError")
    article.locator('[data-tab="events"]').click()
    expect_route(page, f"#/jobs/{job}?tab=events")
    expect(article.locator('[data-event="failed"]')).to_be_visible()
    page.reload()
    expect(article.locator('[data-event="failed"]')).to_be_visible()


def test_after_a_retry_from_step_2_both_attempts_are_drawn(page: Page, client: httpx.Client, worker: Process) -> None:
    job = failed_job(client)
    article = open_job(page, job)
    article.get_by_role("button", name="From step…").click()
    form = page.get_by_role("dialog")
    form.get_by_label("step", exact=False).first.select_option("2")
    form.get_by_label("fail_at_step").fill("")
    form.get_by_label("step_seconds").fill("0.1")
    form.locator('[data-action="submit"]').click()
    expect(article).to_have_attribute("data-status", "COMPLETED")
    both = [("1", "1", "ok"), ("2", "1", "fail"), ("2", "2", "ok"), ("3", "2", "ok")]
    wait_for(lambda: drawn(page) == both, what="both attempts")
    now = client.get(f"/jobs/{job}").json()
    assert now["params"]["fail_at_step"] is None
    assert now["params"]["step_seconds"] == 0.1
    assert [step["attempt"] for step in now["steps"]] == [1, 2, 2]
    article.get_by_role("combobox", name="Attempt").select_option("1")
    wait_for(lambda: {attempt for _, attempt, _ in drawn(page)} == {"1"}, what="one attempt alone")
    article.locator('.gantt-line[data-step="2"]').click()
    expect(article.get_by_role("region", name="Traceback")).to_contain_text("raise RuntimeError")


def test_a_running_job_is_asked_to_stop_and_ends_when_it_does(page: Page, client: httpx.Client) -> None:
    moving = begin()
    article = open_job(page, moving.job_id)
    expect_live(page)
    article.get_by_role("button", name="Cancel").click()
    expect(article).to_contain_text("Cancelling…")
    expect(article).to_have_attribute("data-status", "IN_PROGRESS")
    moving.end_step()
    expect(article).to_have_attribute("data-status", "CANCELLED")
    expect(article.get_by_role("button", name="Cancel")).to_have_count(0)


def test_a_refusal_shows_its_reason_and_the_present_state(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 409")
    job = later_job(client)
    article = open_job(page, job)
    expect_live(page)
    page.keyboard.press("p")
    expect(page.locator(".live")).to_have_attribute("data-state", "paused")
    client.post(f"/jobs/{job}/cancel").raise_for_status()
    article.get_by_role("button", name="Cancel").click()
    expect(article).to_have_attribute("data-status", "CANCELLED")
    expect(page.get_by_role("status")).to_contain_text("cannot be cancelled")


def test_deleting_leads_back_to_the_list(page: Page, client: httpx.Client) -> None:
    jobs = [later_job(client) for _ in range(3)]
    for job in jobs:
        client.post(f"/jobs/{job}/cancel").raise_for_status()
    open_list(page)
    row(page, jobs[1]).get_by_role("link").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").last.click()
    expect_route(page, "#/jobs")
    expect(row(page, jobs[0])).to_be_visible()
    expect(row(page, jobs[1])).to_have_count(0)
    assert client.get(f"/jobs/{jobs[1]}").status_code == 404


def test_a_job_that_is_not_there_says_so(page: Page, watch: Watch) -> None:
    watch.allow("status of (404|422)")
    for id_ in (GONE, "nonsense"):
        page.goto(f"/ui/#/jobs/{id_}")
        expect(page.get_by_role("heading", level=2)).to_contain_text(str(id_))
        page.get_by_role("main").get_by_role("link", name="Jobs").click()
        expect_route(page, "#/jobs")


def test_a_job_that_was_retried_elsewhere_moves_again(page: Page, client: httpx.Client, worker: Process) -> None:
    job = failed_job(client)
    article = open_job(page, job)
    expect(article).to_have_attribute("data-status", "FAILED")
    client.post(f"/jobs/{job}/retry", json={"params": {"step_seconds": 0}}).raise_for_status()
    until(client, job, "COMPLETED")
    expect(article).to_have_attribute("data-status", "COMPLETED", timeout=10_000)
