"""The page of one job: what it says first, its attempts over time, and what can be done with it."""

import json
import re
from collections.abc import Callable

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from sqlalchemy import text

from background.jobs import states
from background.jobs.sql import logs, transitions
from background.jobs.sql.logs import Chunk
from tests.browser.axe import axe
from tests.browser.screens import expect_live, expect_route, failed_job, later_job, open_list, row, submit, until
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


def test_what_the_application_says_of_a_failure_is_said_in_the_readers_language(
    new_context: Callable[..., BrowserContext],
) -> None:
    moving = begin()
    outcome = states.timed_out(1, seconds=30, failures=2, max_attempts=3, pause=0)
    with transaction() as connection:
        transitions.stop(connection, job_id=moving.job_id, token=moving.token, outcome=outcome)
    said = "1단계가 제한 시간 30초를 넘겼습니다"
    page = new_context(locale="ko-KR").new_page()
    open_list(page)
    reason = row(page, moving.job_id).locator(".reason")
    expect(reason).to_contain_text(said)
    expect(reason).not_to_have_attribute("lang", "en")
    article = open_job(page, moving.job_id)
    expect(article.locator("[data-sentence]")).to_contain_text(said)
    inspected = article.locator(".clamped-text").filter(has_text=said)
    expect(inspected).not_to_have_attribute("lang", "en")
    page.goto(f"/ui/#/jobs/{moving.job_id}?tab=events")
    expect(page.locator('[data-event="failed"]')).to_contain_text(said)
    page.goto("/ui/#/pipelines/demo")
    expect(page.locator("[data-failure]")).to_contain_text(said)


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
    # Nothing more will come, so nothing has to be live.
    expect(page.locator(".live")).to_be_hidden()
    article.locator('[data-tab="data"]').click()
    expect(article.get_by_role("group", name="Result")).to_be_visible()
    # What was said of it stays with it.
    expect(page.locator(".toast")).to_have_class(re.compile("shown"))
    shown = page.evaluate("performance.now()")
    wait_for(lambda: page.evaluate("performance.now()") > shown + 600, what="a while")
    page.goto("/ui/#/documents")
    expect(page.get_by_role("heading", level=1)).to_have_text("Documents")
    expect(page.locator(".toast")).not_to_have_class(re.compile("shown"), timeout=1000)


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
    expect(article.get_by_role("group", name="Result")).to_contain_text("the end")
    article.locator('[data-tab="steps"]').click()
    expect(article.get_by_role("group", name="Output")).to_contain_text("the end")
    open_list(page)
    expect(row(page, moving.job_id)).to_contain_text("All 3 steps completed.")


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
    # `expect` would take down the whole page, as text, each time that it is not there yet.
    article.locator('[data-event="step_completed"]').wait_for()
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
    expect(article.get_by_role("group", name="Traceback")).to_contain_text("raise RuntimeError")
    article.locator('[data-tab="events"]').click()
    expect_route(page, f"#/jobs/{job}?tab=events")
    expect(article.locator('[data-event="failed"]')).to_be_visible()
    page.reload()
    expect(article.locator('[data-event="failed"]')).to_be_visible()


def test_two_tracebacks_are_no_two_landmarks(page: Page, client: httpx.Client, worker: Process) -> None:
    params = {"step_seconds": 0, "fail_at_step": 1, "fail_times": 9}
    job = submit(client, params=params, max_attempts=2)
    until(client, job, "FAILED")
    article = open_job(page, job, "?tab=events")
    summaries = article.locator("tr[data-event] summary")
    expect(summaries).to_have_count(2)
    for each in summaries.all():
        each.click()
    expect(article.get_by_role("group", name="Traceback")).to_have_count(2)
    found = axe(page, "landmark-unique")
    assert (found["violations"], len(found["passes"])) == ([], 1)


def test_a_long_error_is_shown_in_three_lines_until_all_is_wanted(
    page: Page, client: httpx.Client, worker: Process
) -> None:
    failed = failed_job(client)
    error = "RuntimeError: It is long.\n" + "\n".join(f"line {number}" for number in range(40))
    with transaction() as connection:
        connection.execute(text("UPDATE jobs SET error = :error WHERE id = :id"), {"error": error, "id": failed})
    article = open_job(page, failed)
    sentence = article.locator("[data-sentence]")
    expect(sentence).to_contain_text(re.compile(r"Step 2, process, failed on \S+\.$"))
    detail = article.locator(".sentence .clamped-text")
    line = detail.evaluate("each => parseFloat(getComputedStyle(each).lineHeight)")
    assert detail.evaluate("each => each.clientHeight") == pytest.approx(3 * line, abs=2)
    article.locator(".sentence").get_by_role("button", name="Show all").click()
    assert detail.evaluate("each => each.clientHeight") == pytest.approx(41 * line, abs=2)
    assert detail.inner_text() == error


def test_the_next_try_has_not_failed_and_the_last_error_is_in_sight(
    page: Page, client: httpx.Client, worker: Process
) -> None:
    request = {"params": {"step_seconds": 0, "fail_at_step": 1, "fail_times": 9}, "max_attempts": 9}
    job = int(client.post("/jobs", json=request).json()["job_id"])
    # The third pause is long enough to be looked at.
    wait_for(lambda: (now := client.get(f"/jobs/{job}").json())["attempt"] >= 3 and now["status"] == "PENDING")
    article = open_job(page, job)
    expect(article.locator(".gantt-line").filter(has_text="To be tried again")).to_have_count(1)
    inspector = article.get_by_role("region", name="Details of the step")
    expect(inspector).to_contain_text("RuntimeError: Step 1 failed")
    expect(inspector.get_by_role("heading", name="Traceback")).to_be_visible()


def test_a_job_on_a_document_leads_to_its_report(page: Page, client: httpx.Client, worker: Process) -> None:
    created = client.post("/jobs", json={"pipeline": "document", "params": {"document": "why-queues.txt"}})
    job = int(created.json()["job_id"])
    until(client, job, "COMPLETED")
    open_job(page, job).get_by_role("button", name="Read the report").click()
    expect(page.get_by_role("dialog", name="Report")).to_contain_text("why-queues.txt")


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
    inspector = article.get_by_role("region", name="Details of the step")
    expect(inspector.get_by_role("heading", level=2)).to_have_text("Step 3: publish")
    expect(inspector).not_to_contain_text("Traceback")
    now = client.get(f"/jobs/{job}").json()
    assert now["params"]["fail_at_step"] is None
    assert now["params"]["step_seconds"] == 0.1
    assert [step["attempt"] for step in now["steps"]] == [1, 2, 2]
    article.get_by_role("combobox", name="Attempt").select_option("1")
    wait_for(lambda: {attempt for _, attempt, _ in drawn(page)} == {"1"}, what="one attempt alone")
    article.locator('.gantt-line[data-step="2"]').click()
    expect(article.get_by_role("group", name="Traceback")).to_contain_text("raise RuntimeError")


def test_a_running_job_is_asked_to_stop_and_ends_when_it_does(page: Page, client: httpx.Client) -> None:
    moving = begin()
    article = open_job(page, moving.job_id)
    expect_live(page)
    article.get_by_role("button", name="Cancel").click()
    expect(article).to_contain_text("Cancelling…")
    expect(article).to_have_attribute("data-status", "IN_PROGRESS")
    assert client.get(f"/jobs/{moving.job_id}").json()["cancel_requested"]
    # So it is said by a page that has not asked for it, in the list as well.
    open_list(page)
    expect(row(page, moving.job_id)).to_contain_text("Cancelling…")
    article = open_job(page, moving.job_id)
    expect(article).to_contain_text("Cancelling…")
    expect(article.get_by_role("button", name="Cancel")).to_have_count(0)
    expect_live(page)
    moving.end_step()
    expect(article).to_have_attribute("data-status", "CANCELLED")
    ended = client.get(f"/jobs/{moving.job_id}").json()
    assert (ended["cancel_requested"], ended["actions"]) == (False, ["retry", "delete"])


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
    row(page, jobs[1]).get_by_role("link").first.click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
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
    for named in ("stats", "99999999999999999999"):
        page.goto(f"/ui/#/jobs/{named}")
        expect(page.locator("[data-empty]")).to_contain_text(f"There is no job {named}")


def test_a_job_that_was_retried_elsewhere_moves_again(page: Page, client: httpx.Client, worker: Process) -> None:
    job = failed_job(client)
    article = open_job(page, job)
    expect(article).to_have_attribute("data-status", "FAILED")
    client.post(f"/jobs/{job}/retry", json={"params": {"step_seconds": 0}}).raise_for_status()
    until(client, job, "COMPLETED")
    expect(article).to_have_attribute("data-status", "COMPLETED", timeout=10_000)


def test_what_a_step_has_logged_stands_under_its_attempt_live(page: Page, client: httpx.Client) -> None:
    moving = begin()
    markup = "<b>not bold</b>"

    def log(last: int, *messages: str) -> None:
        lines = json.dumps([[0.5, "WARNING", message] for message in messages])
        with transaction() as connection:
            logs.add(connection, [Chunk(moving.job_id, 1, 1, last, len(messages), 1, lines)])

    log(2, "first", markup)
    open_job(page, moving.job_id)
    shown = page.locator("[data-logs] [data-level=WARNING]")
    expect(shown).to_have_count(2)
    expect(shown.nth(1)).to_contain_text(markup)
    log(3, "third")
    expect(shown).to_have_count(3)
    moving.end_step()
    expect(page.locator("[data-logs]")).to_be_hidden()  # the next step has logged nothing
    page.locator('.gantt-line[data-step="1"]').click()
    expect(shown).to_have_count(3)


def test_what_its_end_has_called_stands_at_the_job_and_the_other_way_round(page: Page, client: httpx.Client) -> None:
    ended, called = later_job(client), later_job(client)
    with transaction() as connection:
        values = {"parent": ended, "id": called}
        connection.execute(text("UPDATE jobs SET parent_id = :parent WHERE id = :id"), values)
    article = open_job(page, ended)
    expect(article.locator(f'[data-call="{called}"]')).to_contain_text(f"demo #{called}")
    article.locator(f'[data-call="{called}"] a').click()
    back = page.locator(f'[data-called-by="{ended}"] a')
    expect(back).to_contain_text(str(ended))
    back.click()
    expect(article).to_be_visible()


def test_long_names_stay_on_the_page(page: Page, client: httpx.Client) -> None:
    job = later_job(client)
    names = ["validate_the_incoming_order_and_its_customer_and_all_that_belongs_to_them", "charge", "ship"]
    with transaction() as connection:
        connection.execute(text("UPDATE jobs SET step_names = :names WHERE id = :id"), {"names": names, "id": job})
    page.set_viewport_size({"width": 320, "height": 640})
    article = open_job(page, job)
    expect(article.get_by_role("heading", name=names[0])).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    with transaction() as connection:
        connection.execute(text("UPDATE job_events SET step_name = :name"), {"name": names[0]})
    page.reload()
    page.locator("[data-tab=events]").click()
    assert article.locator("table.history td:nth-child(4)").first.evaluate("cell => cell.offsetHeight") < 80


def test_text_that_turns_others_around_is_shown_as_it_is_written(page: Page, client: httpx.Client) -> None:
    job = later_job(client)
    turned = text("""UPDATE jobs SET result = '{"file": "\u202egpj.exe"}', status = 'COMPLETED' WHERE id = :id""")
    with transaction() as connection:
        connection.execute(turned, {"id": job})
    article = open_job(page, job, "?tab=data")
    shown = article.get_by_role("group", name="Result")
    expect(shown).to_contain_text(r'"\u202egpj.exe"')
    assert json.loads(shown.inner_text()) == {"file": "\u202egpj.exe"}


def test_an_unfolded_traceback_stays_so_while_events_come(page: Page, client: httpx.Client, worker: Process) -> None:
    params = {"step_seconds": 0, "fail_at_step": 1, "fail_times": 9}
    job = submit(client, params=params, max_attempts=9)
    article = open_job(page, job, "?tab=events")
    details = article.locator("details")
    first = details.first
    first.locator("summary").click()
    expect(first).to_have_attribute("open", "")
    expect(details.nth(details.count())).to_be_visible()  # One more than there are now.
    expect(first).to_have_attribute("open", "")
    expect(first.locator("summary")).to_be_focused()
    client.post(f"/jobs/{job}/cancel").raise_for_status()
