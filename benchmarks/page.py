"""How long the web page keeps its main thread: 10,000 jobs in the table while 50 changes a second come in."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import CHROMIUM, NO_CHROMIUM
from tests.browser.traffic import Traffic, fill
from tests.support import running_api

JOBS = 10_000
EVENTS_PER_SECOND = 50
SECONDS = 20
GOAL_MS = 100
TASKS = ["devtools.timeline", "disabled-by-default-devtools.timeline"]


class Task(NamedTuple):
    """A task's length and, within it, the time for which it had a processor; in ms."""

    length: float
    busy: float


def main(scratch: Path) -> None:
    """Print the longest main-thread tasks while the list is loaded, watched, scrolled and filtered."""
    if CHROMIUM is None:
        print(f"page        {NO_CHROMIUM}")
        return
    fill(JOBS)
    with running_api(scratch / "page-api.log") as api, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(base_url=str(api.base_url), viewport={"width": 1280, "height": 800})
        with Traffic(rate=EVENTS_PER_SECOND) as traffic:
            tasks, events = measure(browser, page, traffic)
        rows = page.locator("[data-job-id]").count()
        browser.close()
    print(f"page        {JOBS} jobs, {events / SECONDS:.0f} changes/s for {SECONDS} s, {rows} rows drawn")
    print(f"  longest main-thread tasks  {', '.join(f'{each.length:.0f}' for each in tasks[:5])} ms")
    print(f"  busiest, processor time    {max(each.busy for each in tasks):.0f} ms")
    print(f"  tasks over {GOAL_MS} ms         {sum(each.length > GOAL_MS for each in tasks)} (goal: none)")


def measure(browser: Browser, page: Page, traffic: Traffic) -> tuple[list[Task], int]:
    """The tasks, longest first, by the browser's own trace, and how many changes there were."""
    browser.start_tracing(page=page, categories=TASKS)
    page.goto("/ui/#/jobs")
    page.locator("[data-job-id]").first.wait_for()
    before = traffic.events
    for second in range(SECONDS):
        page.mouse.move(640, 500)
        page.mouse.wheel(0, 300 if second % 4 else -900)
        page.wait_for_timeout(1000)
    events = traffic.events - before
    trace = json.loads(browser.stop_tracing())["traceEvents"]
    return main_thread_tasks(trace), events


def main_thread_tasks(trace: list[dict[str, Any]]) -> list[Task]:
    """The tasks of the page's main thread, longest first."""
    names = [each for each in trace if each["name"] == "thread_name"]
    threads = {(each["pid"], each["tid"]) for each in names if each["args"]["name"] == "CrRendererMain"}
    runs = [each for each in trace if each["name"] == "RunTask" and (each["pid"], each["tid"]) in threads]
    return sorted((Task(each.get("dur", 0) / 1000, each.get("tdur", 0) / 1000) for each in runs), reverse=True)
