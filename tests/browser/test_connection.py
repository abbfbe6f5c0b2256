"""What the page does when the stream is cut, and that many tabs do not stand in each other's way."""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect
from sqlalchemy import text

from background.local.postgres import EmbeddedPostgres
from tests.acceptance.test_outages import stopped
from tests.browser.screens import expect_live, later_job, open_list, row, shown_ids, shown_states, submit
from tests.browser.traffic import begin, fill, nobody
from tests.browser.watch import Watch
from tests.support import Process, free_port, transaction, wait_for

# A headless browser calls every tab visible; here a tab can be told that it is not.
TABS = """
  let shown = true;
  Object.defineProperty(Document.prototype, "visibilityState", {get: () => shown ? "visible" : "hidden"});
  Object.defineProperty(Document.prototype, "hidden", {get: () => !shown});
  window.setShown = (now) => { shown = now; document.dispatchEvent(new Event("visibilitychange")); };
"""


@contextmanager
def api_at(port: int, log: Path) -> Iterator[None]:
    """An API process at this port, for as long as the block runs."""
    argv = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--timeout-graceful-shutdown", "1"]
    process = Process(argv, log=log)
    try:
        process.wait_for_line("Uvicorn running")
        yield
    finally:
        process.stop()


LISTEN = """() => {
  window.heard = [];
  const source = new EventSource("/events");
  source.onmessage = () => window.heard.push("a message");
  source.addEventListener("created", (event) => window.heard.push(JSON.parse(event.data).id));
  return new Promise((done) => (source.onopen = () => done()));
}"""


def test_an_event_source_that_heard_nothing_goes_on_from_where_it_began(
    new_context: Callable[..., BrowserContext], watch: Watch, client: httpx.Client, tmp_path: Path
) -> None:
    watch.allow_unreachable()
    watch.allow("503")  # the page itself may ask an API that is stopping
    port = free_port()
    page = new_context(base_url=f"http://127.0.0.1:{port}").new_page()
    with api_at(port, tmp_path / "first.log"):
        page.goto("/ui/")
        page.evaluate(LISTEN)
    job = submit(client)
    with api_at(port, tmp_path / "second.log"):
        assert wait_for(lambda: page.evaluate("window.heard"), seconds=45, what="the event") == [job]


def test_what_shows_nothing_yet_is_as_of_no_time(page: Page, watch: Watch) -> None:
    watch.allow("status of 503")
    problem = {"title": "Service Unavailable", "status": 503, "detail": "PostgreSQL is away"}
    page.route(re.compile("//[^/]+/(jobs|workers|pipelines)\\b"), lambda route: route.fulfill(status=503, json=problem))
    page.goto("/ui/#/jobs")
    banner = page.locator('[data-banner="down"]')
    expect(banner).to_contain_text("It is asked again by itself.")
    expect(banner).not_to_contain_text("as of")


def test_after_a_restart_of_the_api_the_state_is_exact(
    new_context: Callable[..., BrowserContext], watch: Watch, client: httpx.Client, tmp_path: Path
) -> None:
    watch.allow_unreachable()
    fill(50)
    moving, ending = begin(), begin()
    port = free_port()
    page = new_context(base_url=f"http://127.0.0.1:{port}").new_page()
    with api_at(port, tmp_path / "first.log"):
        open_list(page)
        expect(row(page, moving.job_id)).to_have_attribute("data-status", "IN_PROGRESS")
        before = shown_ids(page)[:10]
    expect(page.locator(".live")).to_contain_text("Reconnecting, as of")
    expect(page.locator('[data-banner="down"]')).to_contain_text("does not answer")
    assert shown_ids(page)[:10] == before
    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("System")
    page.go_back()
    expect(row(page, before[0])).to_be_visible()
    new = submit(client)
    moving.end_step()
    moving.progress(0.5)
    for _ in range(3):
        ending.end_step()
    with api_at(port, tmp_path / "second.log"):
        expect(page.locator(".live")).to_have_attribute("data-state", "live", timeout=45_000)
        expect(page.locator('[data-banner="down"]')).to_have_count(0)
        expect(row(page, new)).to_be_visible()
        exact = {job["id"]: job["status"] for job in client.get("/jobs").json()}
        wait_for(lambda: shown_states(page).items() <= exact.items(), what="the exact state")
        expect(row(page, moving.job_id)).to_contain_text("Step 2 of 3: process, 50%")
        expect(row(page, ending.job_id)).to_have_attribute("data-status", "COMPLETED")
        ids = shown_ids(page)
        assert ids == sorted(set(ids), reverse=True)
        moving.progress(0.75)
        expect(row(page, moving.job_id)).to_contain_text("75%")


def test_of_ten_tabs_the_visible_one_is_live(new_context: Callable[..., BrowserContext], client: httpx.Client) -> None:
    moving = begin()
    context = new_context()
    context.add_init_script(TABS)
    tabs = [context.new_page() for _ in range(10)]
    for tab in tabs:
        open_list(tab)
        expect(row(tab, moving.job_id)).to_be_visible()
        tab.evaluate("setShown(false)")
    for number, tab in enumerate([tabs[0], tabs[9], tabs[4]], start=1):
        moving.progress(number / 10)
        tab.evaluate("setShown(true)")
        expect_live(tab)
        expect(row(tab, moving.job_id)).to_contain_text(f"{number}0%")
        moving.progress(number / 10 + 0.05)
        expect(row(tab, moving.job_id)).to_contain_text(f"{number}5%")
        tab.evaluate("setShown(false)")


def test_without_postgresql_the_last_state_stays(
    page: Page, watch: Watch, client: httpx.Client, postgres: EmbeddedPostgres
) -> None:
    watch.allow("status of 503")
    watch.allow_unreachable()
    job = later_job(client)
    open_list(page)
    with stopped(postgres):
        banner = page.locator('[data-banner="down"]')
        expect(banner).to_contain_text("The API cannot work right now: PostgreSQL", timeout=20_000)
        expect(row(page, job)).to_be_visible()
    banner.get_by_role("button", name="Try again").click()
    expect(banner).to_have_count(0, timeout=30_000)
    client.post(f"/jobs/{job}/cancel").raise_for_status()
    expect(row(page, job)).to_have_attribute("data-status", "CANCELLED", timeout=45_000)


def test_what_needs_no_postgresql_does_not_hide_that_it_is_away(page: Page, watch: Watch) -> None:
    watch.allow("status of 503")
    problem = {"title": "Service Unavailable", "status": 503, "detail": "Away.", "code": "database_down", "values": {}}
    pulse = re.compile(r"/(workers|jobs/stats)$")
    page.route(pulse, lambda route: route.fulfill(status=503, json=problem))
    page.goto("/ui/#/start")
    places = page.locator("[data-flow]")
    expect(places.filter(has_text="PostgreSQL")).to_contain_text("does not answer")
    expect(places.filter(has_text="API")).to_have_attribute("data-role", "ok")
    page.goto("/ui/#/documents")
    page.route(pulse, lambda _: None)
    banner = page.locator('[data-banner="down"]')
    with page.expect_response("**/documents") as answer:
        banner.get_by_role("button", name="Try again").click()
    answer.value.finished()
    page.evaluate("new Promise((done) => setTimeout(done, 100))")
    expect(banner).to_contain_text("PostgreSQL")
    page.unroute_all()
    page.reload()
    expect(page.get_by_role("heading", level=1, name="Documents")).to_be_visible()
    expect(banner).to_have_count(0)


def test_an_api_that_takes_requests_and_answers_none_is_not_live(page: Page, client: httpx.Client) -> None:
    page.clock.install()
    page.goto("/ui/#/runs")
    expect_live(page)
    page.route(re.compile(r"/(runs|workers|jobs/stats)(\?|$)"), lambda _: None)
    said = page.get_by_text("The API at")

    def is_said_later() -> bool:
        page.clock.fast_forward(25_000)
        return said.is_visible()

    wait_for(is_said_later, what="that nothing is answered")
    page.unroute_all()
    wait_for(lambda: not is_said_later(), what="an answer")
    expect_live(page)


def _answer(route: Route, *, status: int) -> None:
    route.fulfill(status=status, content_type="text/html", body="<h1>Nobody is behind me</h1>")


def test_what_a_proxy_answers_is_not_taken_for_the_api(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of (404|502)|net::ERR_FAILED")
    job = later_job(client)
    for status, route in ((502, "#/pipelines/demo"), (404, f"#/jobs/{job}"), (200, "#/system")):
        page.goto("/ui/#/system")
        page.goto(f"/ui/{route}")
        expect_live(page)
        page.route(re.compile(r"//[^/]+/(?!ui/)"), functools.partial(_answer, status=status))
        page.evaluate("dispatchEvent(new Event('online'))")
        banner = page.locator('[data-banner="down"]')
        expect(banner).to_contain_text(f"right now: {status} was answered, and not by the API.")
        expect(page.locator("[data-failure], main > [data-empty]")).to_have_count(0)
        page.unroute_all()
        expect(banner).to_have_count(0)
        expect_live(page)


def test_one_lost_request_moves_nothing(page: Page, watch: Watch) -> None:
    watch.allow("net::ERR_FAILED")
    page.clock.install()
    page.goto("/ui/#/start")
    expect_live(page)
    page.evaluate("""() => {
      const look = () => { window.moved ||= document.querySelector("[data-banner=down]"); };
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    }""")
    page.clock.pause_at(datetime.now().astimezone() + timedelta(seconds=60))  # Longer than the page has taken.
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.route("**/workers", lambda route: route.abort())

    def asks_again() -> bool:
        page.clock.run_for(100)
        return any(url.endswith("/workers") for url in asked)

    for _ in range(2):
        asked.clear()
        with page.expect_event("requestfailed"), page.expect_response("**/jobs/stats") as stats:
            wait_for(asks_again, what="the next look")
        stats.value.finished()  # The page's clock stands still meanwhile.
    assert page.evaluate("!window.moved")


def test_how_an_action_went_is_read_before_that_the_connection_is_cut(
    page: Page, watch: Watch, client: httpx.Client
) -> None:
    watch.allow("net::ERR_(INTERNET|FAILED)")
    job = later_job(client)
    page.clock.install()
    page.goto(f"/ui/#/jobs/{job}")
    expect_live(page)
    said = page.get_by_role("status")  # It is there before it says anything: else a screen reader may not.
    expect(said).to_have_text("")
    unknown = "The API does not answer. What it was asked to do may have been done all the same."

    def cancel() -> None:
        with page.expect_request("**/cancel"):
            page.locator('[data-action="cancel"]').click()

    # Nobody waits for an answer without end.
    page.route("**/cancel", lambda _: None)
    cancel()
    page.clock.fast_forward(61_000)
    expect(said).to_have_text(unknown)
    page.unroute_all()

    expect_live(page)
    page.route(re.compile(r"//[^/]+/(?!ui/)"), lambda route: route.abort())
    page.clock.pause_at(datetime.now().astimezone() + timedelta(minutes=5))  # The stream was silent for too long.
    cancel()
    expect(said).to_have_text(unknown)

    def is_cut_later() -> bool:
        page.clock.run_for(500)
        return page.locator('.live[data-state="cut"]').is_visible()

    wait_for(is_cut_later, what="the word that it reconnects")
    expect(said).to_have_text(unknown)
    page.clock.run_for(6000)
    expect(said).to_contain_text("Reconnecting")


def test_what_a_proxy_holds_back_is_shown_all_the_same(page: Page, client: httpx.Client) -> None:
    job = later_job(client)
    page.route(re.compile(r"/events$"), lambda _: None)
    for route, shown in ((f"#/jobs/{job}", "It is not due yet"), ("#/jobs", f"#{job}")):
        page.goto(f"/ui/{route}")
        expect(page.locator("main")).to_contain_text(shown)
        expect(page.locator(".live")).to_have_text("Connecting")


HALF = """() => {
  const whole = window.fetch;
  window.fetch = async (address, options) => {
    if (!window.half || !/(runs|workers|stats)([?]|$)/.test(address)) return whole(address, options);
    const start = (body) => {
      body.enqueue(new TextEncoder().encode("[{"));
      if (window.half === "cut") body.error(new TypeError("network error"));
      options.signal.addEventListener("abort", () => body.error(options.signal.reason));
    };
    return new Response(new ReadableStream({ start }));
  };
}"""


@pytest.mark.parametrize("end", ["cut", "silent"])
def test_half_of_an_answer_is_none(page: Page, client: httpx.Client, end: str) -> None:
    page.clock.install()
    page.goto("/ui/#/runs")
    expect_live(page)
    page.evaluate(HALF)
    page.evaluate("end => { window.half = end; }", end)
    said = page.get_by_text("The API at")

    def is_said_later() -> bool:
        page.clock.fast_forward(25_000)
        return said.is_visible()

    wait_for(is_said_later, what="that nothing is answered")
    page.evaluate("() => { window.half = null; }")
    wait_for(lambda: not is_said_later(), what="an answer")
    expect_live(page)


def test_what_could_not_be_read_once_and_was_left_is_no_outage(page: Page, watch: Watch) -> None:
    watch.allow("status of 503")
    problem = {"title": "Service Unavailable", "status": 503, "detail": "Away.", "code": "database_down", "values": {}}
    page.route(re.compile(r"/runs\?"), lambda route: route.fulfill(status=503, json=problem))
    page.goto("/ui/#/runs")
    banner = page.locator('[data-banner="down"]')
    expect(page.locator("[data-failure]")).to_be_visible()
    page.goto("/ui/#/documents")
    with page.expect_response("**/jobs/stats"):
        expect(banner).to_have_count(0)
    expect(banner).to_have_count(0)


@pytest.mark.parametrize("key", ["p", "click"])
def test_updates_can_be_paused(page: Page, client: httpx.Client, key: str) -> None:
    moving = begin()
    open_list(page)
    expect(row(page, moving.job_id)).to_contain_text("Step 1 of 3")

    def toggle() -> None:
        page.keyboard.press("p") if key == "p" else page.locator(".live").click()

    toggle()
    expect(page.locator(".live")).to_contain_text("Paused, as of")
    moving.end_step()
    expect(page.locator(".live")).to_have_attribute("aria-pressed", "true")
    expect(row(page, moving.job_id)).to_contain_text("Step 1 of 3")
    toggle()
    expect_live(page)
    expect(row(page, moving.job_id)).to_contain_text("Step 2 of 3")


def test_why_a_job_waits_is_said(page: Page, client: httpx.Client) -> None:
    job = later_job(client)
    open_list(page)
    expect(row(page, job)).to_contain_text("It is not due yet: it may begin in")
    submit(client)
    expect(page.locator('[data-banner="no-worker"]')).to_contain_text("No worker is alive, and 1 job waits.")


_LOST = text("""
INSERT INTO workers (id, name, host, pid, pool, concurrency, seen_at, started_at)
VALUES (:id, :name, 'here', 1, 'prefork', 2, now() - interval '90 s', now() - interval '1 hour')
""")


def test_a_lost_worker_runs_nothing_any_more(page: Page) -> None:
    worker = nobody()
    with transaction() as connection:
        connection.execute(_LOST, {"id": worker.id, "name": worker.name})
    job = begin(worker).job_id
    page.goto(f"/ui/#/jobs/{job}")
    expect(page.locator("[data-sentence]")).to_contain_text(
        "ran on celery@traffic, which was last seen 1m ago and is lost. No worker is alive"
    )
    expect(page.locator('[data-banner="no-worker"]')).to_contain_text("No worker is alive, and 1 job waits.")
    page.goto("/ui/#/system")
    expect(page.locator('[data-figure="alive"]')).to_contain_text("0 things at work")
    lost = page.locator('[data-worker="celery@traffic"]')
    expect(lost).to_contain_text("What it had begun:")
    expect(lost).to_contain_text("begun")
    with transaction() as connection:
        connection.execute(text("DELETE FROM jobs"))
    page.goto("/ui/#/canvas")
    expect(page.locator('[data-banner="no-worker"]')).to_contain_text("what is started now waits for one")


def test_on_a_phone_nothing_lies_over_the_word_that_it_is_not_live(page: Page, client: httpx.Client) -> None:
    job = later_job(client)
    page.set_viewport_size({"width": 380, "height": 780})
    open_list(page)
    page.locator(".live").click()
    pill = page.locator('.live[data-state="paused"]')
    row(page, job).get_by_role("checkbox").check()
    page.locator(".jump-input").fill("no number")
    page.locator(".jump-input").press("Enter")
    toast = page.locator(".toast.shown")
    expect(toast).to_be_visible()
    tops = {
        name: box_of(each) for name, each in (("pill", pill), ("bar", page.locator(".selection")), ("toast", toast))
    }
    assert tops["bar"][1] <= tops["pill"][0], tops
    assert tops["toast"][1] <= tops["bar"][0], tops


def box_of(element: Locator) -> tuple[float, float]:
    """Where it begins and ends, from the top."""
    box = element.bounding_box()
    assert box
    return box["y"], box["y"] + box["height"]
