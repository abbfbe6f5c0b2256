"""The list of jobs: it moves by itself, and nothing moves under the reader's hands."""

import re

import httpx2 as httpx
from playwright.sync_api import Page, Route, expect
from sqlalchemy import text

from tests.browser.screens import (
    expect_live,
    expect_route,
    failed_job,
    later_job,
    open_list,
    row,
    shown_ids,
    shown_states,
    submit,
)
from tests.browser.traffic import Traffic, begin, fill
from tests.browser.watch import Watch
from tests.support import Process, transaction, wait_for

# Notes each change of what the first row says about its steps, and of its status.
RECORD = """
() => {
  window.steps = []; window.states = [];
  const note = () => {
    const row = document.querySelector("tr[data-job-id]");
    const steps = row?.querySelectorAll('[data-role="ok"]').length, state = row?.dataset.status;
    if (row && steps !== window.steps.at(-1)) window.steps.push(steps);
    if (row && state !== window.states.at(-1)) window.states.push(state);
  };
  new MutationObserver(note).observe(document, {subtree: true, childList: true, attributes: true});
}
"""
# The page remembers 100 ms later where it was scrolled to: here as late as when the address has changed already.
LATE_SCROLL = """
  window.held = new Map();
  const [set, clear] = [setTimeout, clearTimeout];
  window.setTimeout = (run, ms, ...more) => {
    if (ms !== 100) return set(run, ms, ...more);
    const timer = {};
    held.set(timer, run);
    return timer;
  };
  window.clearTimeout = (timer) => held.delete(timer) || clear(timer);
  addEventListener("hashchange", () => {
    for (const run of held.values()) run();
    held.clear();
  });
"""
MOST_ROWS = """
() => {
  window.most = 0;
  const count = () => { window.most = Math.max(window.most, document.querySelectorAll("tr[data-job-id]").length) };
  new MutationObserver(count).observe(document, {subtree: true, childList: true});
}
"""


def test_a_submitted_job_completes_before_the_readers_eyes(page: Page, client: httpx.Client, worker: Process) -> None:
    open_list(page)
    expect(page.get_by_text("No job yet")).to_be_visible()
    page.evaluate(RECORD)
    job = submit(client, params={"step_seconds": 1})
    expect(row(page, job)).to_have_attribute("data-status", "COMPLETED", timeout=20_000)
    expect(row(page, job).get_by_text("Completed", exact=True)).to_be_visible()
    assert page.evaluate("window.states")[-2:] == ["IN_PROGRESS", "COMPLETED"]
    seen = page.evaluate("window.steps")
    assert seen == [*range(seen[0], 4)]
    assert len(seen) >= 3


def test_what_may_be_searched_has_a_name(page: Page) -> None:
    open_list(page)
    for name in ("Job number or task id", "Search jobs"):
        expect(page.get_by_role("search", name=name)).to_be_visible()


def test_back_restores_filter_scroll_and_focus(page: Page) -> None:
    fill(1000)
    open_list(page)
    page.get_by_role("link", name="Failed").click()
    expect_route(page, "#/jobs?status=FAILED")
    wait_for(lambda: set(shown_states(page).values()) == {"FAILED"}, what="the filter")
    page.mouse.move(640, 500)
    page.mouse.wheel(0, 1500)
    wait_for(lambda: page.evaluate("scrollY") == 1500, what="the scroll")
    job = shown_ids(page)[15]
    row(page, job).get_by_role("link").first.focus()
    before = page.evaluate("scrollY")
    page.keyboard.press("Enter")
    expect_route(page, f"#/jobs/{job}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(job))
    page.go_back()
    expect_route(page, "#/jobs?status=FAILED")
    expect(row(page, job).get_by_role("link").first).to_be_focused()
    assert page.evaluate("scrollY") == before
    assert set(shown_states(page).values()) == {"FAILED"}
    page.set_viewport_size({"width": 380, "height": 800})  # Where rows are higher.
    page.goto("/ui/#/jobs")
    wait_for(lambda: page.evaluate("document.documentElement.scrollHeight") > 7000, what="a long list")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight - innerHeight - 1600)")  # Older ones are not read.
    before = page.evaluate("scrollY")
    wait_for(lambda: page.evaluate("history.state.scroll") == before, what="a scroll that is remembered")
    page.get_by_role("navigation").get_by_role("link", name="Runs").click()
    expect_route(page, "#/runs")
    page.go_back()
    wait_for(lambda: page.evaluate("scrollY") == before, what="the scroll as it was")


def test_back_restores_the_scroll_though_the_page_before_has_just_moved(page: Page) -> None:
    fill(1000)
    page.add_init_script(LATE_SCROLL)
    open_list(page, "?status=FAILED")
    page.mouse.move(640, 500)
    page.mouse.wheel(0, 1500)
    wait_for(lambda: page.evaluate("scrollY") == 1500, what="the scroll")
    row(page, shown_ids(page)[15]).get_by_role("link").first.press("Enter")
    expect(page.locator("article.job")).to_be_visible()
    wait_for(lambda: page.evaluate("scrollY === 0 && held.size"), what="a page that is not as long")
    page.go_back()
    expect_route(page, "#/jobs?status=FAILED")
    wait_for(lambda: page.evaluate("scrollY") == 1500, what="the scroll as it was")


def test_a_number_of_seven_digits_is_whole_at_every_width(page: Page) -> None:
    with transaction() as connection:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('jobs', 'id'), 7654320)"))
    fill(1)
    page.goto("/ui/#/jobs")
    for width in (1440, 1024, 720, 640, 480, 380, 320):
        page.set_viewport_size({"width": width, "height": 800})
        cell = row(page, 7654321).locator(".c-id")
        expect(cell).to_be_visible()
        for whole in (cell, row(page, 7654321).locator(".c-pipeline a")):
            assert whole.evaluate("cell => cell.scrollWidth <= cell.clientWidth"), width


def test_of_ten_thousand_jobs_few_are_drawn(page: Page, client: httpx.Client) -> None:
    fill(10_000)
    open_list(page)
    page.evaluate(MOST_ROWS)
    with Traffic(rate=500) as traffic:
        page.mouse.move(640, 600)
        for _ in range(12):
            page.mouse.wheel(0, 2500)
            page.wait_for_timeout(100)
        begin()
        expect(page.locator('[data-action="show-new"]')).to_be_visible()
        page.keyboard.press("Control+Home")
        wait_for(lambda: traffic.events > 500, what="500 events")
    assert 0 < page.evaluate("window.most") <= 120
    page.evaluate("scrollTo(0, 0)")
    newest = client.get("/jobs", params={"limit": 5}).json()

    def shown() -> bool:
        # The page hears of the last ones a moment later, and may keep them back below the pointer, or not.
        page.evaluate("document.querySelector('[data-action=\"show-new\"]')?.click()")
        return {job["id"] for job in newest} <= set(shown_ids(page))

    wait_for(shown, what="the newest jobs in the list")
    for job in newest:
        expect(row(page, job["id"])).to_have_attribute("data-status", job["status"])


def test_a_selection_means_the_same_jobs_while_others_move(page: Page, client: httpx.Client, worker: Process) -> None:
    fill(100)
    chosen = [failed_job(client), failed_job(client)]
    spared = failed_job(client)
    with Traffic(rate=100):
        open_list(page)
        for job in chosen:
            row(page, job).get_by_role("checkbox").check()
        place = row(page, chosen[0]).bounding_box()
        more = failed_job(client)
        expect(page.locator('[data-action="show-new"]')).to_be_visible()
        assert row(page, chosen[0]).bounding_box() == place
        page.get_by_role("group", name="Selected jobs").get_by_role("button", name="Delete 2").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete 2").click()
        for job in chosen:
            expect(row(page, job)).to_have_count(0)
    assert [client.get(f"/jobs/{job}").status_code for job in chosen] == [404, 404]
    assert [client.get(f"/jobs/{job}").status_code for job in (spared, more)] == [200, 200]


def test_of_a_mixed_selection_what_cannot_be_done_is_named_before(
    page: Page, client: httpx.Client, worker: Process
) -> None:
    failed, waiting = failed_job(client), later_job(client)
    open_list(page)
    page.get_by_role("checkbox", name="Select all").check()
    page.get_by_role("button", name="Cancel 1").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text(f"#{failed} (Failed)")
    question.get_by_role("button", name="Cancel 1").click()
    expect(row(page, waiting)).to_have_attribute("data-status", "CANCELLED")
    assert client.get(f"/jobs/{failed}").json()["status"] == "FAILED"


def test_all_that_match_are_selected_and_a_bulk_action_is_stopped(page: Page, client: httpx.Client) -> None:
    fill(500)  # 400 of them are completed
    seen: list[str] = []
    held: list[Route] = []

    def hold(route: Route) -> None:
        """Let some go, and no more until it is stopped."""
        if route.request.method in ("GET", "HEAD"):
            return route.fallback()
        seen.append(route.request.url)
        return route.continue_() if len(seen) <= 40 else held.append(route)

    page.route("**/jobs/**", hold)
    open_list(page, "?status=COMPLETED")
    expect(page.locator(".count").first).to_have_text("400 jobs")
    page.get_by_role("checkbox", name="Select all").check()
    bar = page.get_by_role("group", name="Selected jobs")
    expect(bar).not_to_contain_text("400 selected")
    bar.get_by_role("button", name="Select all that match").click()
    expect(bar).to_contain_text("400 selected")
    bar.get_by_role("button", name="Delete 400").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 400").click()
    expect(bar).to_contain_text(re.compile(r"Deleting: \d+ of 400"))
    bar.get_by_role("button", name="Stop").click()
    for route in held:
        route.continue_()
    said = page.get_by_role("status").filter(has_text="Stopped:")
    expect(said).to_be_visible()
    done, left = map(int, re.findall(r"\d+", said.inner_text())[:2])
    assert done + left == 400
    assert len(client.get("/jobs?status=COMPLETED&limit=1000").json()) == left > 0


def test_a_filter_without_jobs_offers_a_way_out(page: Page, client: httpx.Client) -> None:
    job = later_job(client)
    open_list(page, "?status=FAILED")
    expect(page.get_by_role("heading", name="No job matches these filters")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Clear filters").click()
    expect(row(page, job)).to_be_visible()


def test_what_leaves_the_filter_stays_until_it_is_refreshed(page: Page, client: httpx.Client) -> None:
    jobs = [later_job(client) for _ in range(3)]
    open_list(page, "?status=PENDING")
    expect(row(page, jobs[1])).to_be_visible()
    client.post(f"/jobs/{jobs[1]}/cancel").raise_for_status()
    expect(row(page, jobs[1])).to_have_attribute("data-gone", "")
    assert shown_ids(page) == jobs[::-1]


def test_a_refusal_is_told_and_the_row_refreshed(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 409")
    job = later_job(client)
    page.goto("/ui/#/jobs")
    expect_live(page)
    page.keyboard.press("p")  # paused: the page does not hear of what follows
    expect(page.locator(".live")).to_have_attribute("data-state", "paused")
    client.post(f"/jobs/{job}/cancel").raise_for_status()
    row(page, job).get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("it cannot be cancelled any more")
    expect(row(page, job)).to_have_attribute("data-status", "CANCELLED")


def test_tags_can_be_read_however_many_there_are(page: Page, client: httpx.Client) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    job = submit(client, delay_seconds=3600, tags=["nightly", "europe", "weekly", "large", "fifth"])
    open_list(page)
    tags = row(page, job).locator(".tags")
    expect(tags).to_have_text("nightlyeurope+3")
    expect(tags.get_by_text("+3")).to_have_attribute("title", "weekly, large, fifth")
    cut = "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.textContent)"
    assert tags.locator(".tag").evaluate_all(cut) == []


def test_a_hundred_steps_have_room_in_their_bar(page: Page, client: httpx.Client) -> None:
    job = later_job(client)
    with transaction() as connection:
        names = [f"step_{number}" for number in range(100)]
        connection.execute(text("UPDATE jobs SET step_names = :names WHERE id = :id"), {"names": names, "id": job})
    beyond = "bar => bar.lastChild.getBoundingClientRect().right - bar.getBoundingClientRect().right"
    open_list(page)
    bar = row(page, job).locator(".bar")
    expect(bar.locator(".bar-part")).to_have_count(100)
    assert bar.evaluate(beyond) < 1
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"/ui/#/jobs/{job}")
    bar = page.locator(".sentence .bar")
    expect(bar.locator(".bar-part")).to_have_count(100)
    assert bar.evaluate(beyond) < 1
