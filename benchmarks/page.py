"""What the list of jobs costs a browser while very much happens: 10,000 jobs in the table, 500 changes a second.

How long its main thread is kept, whether rows move under a reader, and whether its memory grows.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.browser.chromium import CHROMIUM, NO_CHROMIUM
from tests.browser.traffic import Traffic, fill
from tests.support import running_api

JOBS = 10_000
EVENTS_PER_SECOND = 500
THREADS = 4
"""Each waits for the database after each change."""
SECONDS = 60
MINUTES = 10
GOAL_MS = 100
TASKS = ["devtools.timeline", "disabled-by-default-devtools.timeline"]

# Of each frame, by how many pixels what was the same row in the frame before has moved; and whether there is another.
WATCH_ROWS = """
() => {
  window.moved = { most: 0, frames: 0, others: 0 };
  let known = null;
  const look = () => {
    const row = document.elementFromPoint(400, 400)?.closest("tr[data-job-id]");
    const now = row && { id: row.dataset.jobId, top: row.getBoundingClientRect().top };
    if (now && known?.id === now.id) window.moved.most = Math.max(window.moved.most, Math.abs(now.top - known.top));
    if (now && known && known.id !== now.id) window.moved.others += 1;
    window.moved.frames += 1;
    known = now;
    window.watching = requestAnimationFrame(look);
  };
  look();
}
"""
STOP_WATCHING = "() => { cancelAnimationFrame(window.watching); return window.moved; }"


class Task(NamedTuple):
    """A task's length and, within it, the time for which it had a processor; in ms."""

    length: float
    busy: float


class Use(NamedTuple):
    """What a page holds after its garbage was collected: MB of its heap, and nodes of documents."""

    heap: float
    nodes: int


def main(scratch: Path) -> None:
    """Print the longest main-thread tasks, how rows moved, and how memory went."""
    if CHROMIUM is None:
        print(f"page        {NO_CHROMIUM}")
        return
    fill(JOBS)
    with running_api(scratch / "page-api.log") as api, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(base_url=str(api.base_url), viewport={"width": 1280, "height": 800})
        with traffic() as counts:
            tasks, events = busy_minute(browser, page, counts)
            rows = page.locator("[data-job-id]").count()
            print(f"page        {JOBS} jobs, {events / SECONDS:.0f} changes/s for {SECONDS} s, {rows} rows drawn")
            print(f"  longest main-thread tasks  {', '.join(f'{each.length:.0f}' for each in tasks[:5])} ms")
            print(f"  busiest, processor time    {max(each.busy for each in tasks):.0f} ms")
            print(f"  tasks over {GOAL_MS} ms         {sum(each.length > GOAL_MS for each in tasks)} (goal: none)")
            for name, moved in still(page):
                print(f"  {name:26} moved by {moved['most']:.0f} px, {moved['others']} times another row (goal: none)")
            for minute, use in enumerate(memory(page)):
                print(f"  after {minute:2} min               {use.heap:.1f} MB of heap, {use.nodes} nodes", flush=True)
        browser.close()


@contextlib.contextmanager
def traffic() -> Iterator[list[Traffic]]:
    """So many changes a second, from several threads."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Traffic(rate=EVENTS_PER_SECOND / THREADS)) for _ in range(THREADS)]


def busy_minute(browser: Browser, page: Page, counts: list[Traffic]) -> tuple[list[Task], int]:
    """The tasks while the list is loaded and scrolled, longest first, by the browser's own trace; and the changes."""
    browser.start_tracing(page=page, categories=TASKS)
    page.goto("/ui/#/jobs")
    page.locator("[data-job-id]").first.wait_for()
    before = sum(each.events for each in counts)
    for second in range(SECONDS):
        page.mouse.move(640, 500)
        page.mouse.wheel(0, 300 if second % 4 else -900)
        page.wait_for_timeout(1000)
    events = sum(each.events for each in counts) - before
    return main_thread_tasks(json.loads(browser.stop_tracing())["traceEvents"]), events


def still(page: Page) -> Iterator[tuple[str, dict[str, float]]]:
    """How rows moved while a reader did not: with the pointer among them at the top, and further down without one."""
    for name, scroll, pointer in (("rows below the pointer", 0, (640, 500)), ("rows further down", 2000, (640, 5))):
        page.mouse.move(*pointer)
        page.evaluate("top => scrollTo(0, top)", scroll)
        page.wait_for_timeout(1000)
        page.evaluate(WATCH_ROWS)
        page.wait_for_timeout(SECONDS // 4 * 1000)
        yield name, page.evaluate(STOP_WATCHING)


def memory(page: Page) -> Iterator[Use]:
    """What the page holds, now and after each minute of a list that nobody touches; it has as many rows as it takes."""
    session = page.context.new_cdp_session(page)
    page.mouse.move(640, 5)
    while not page.locator("[data-action=older-page]").count():
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(200)
    page.evaluate("scrollTo(0, 0)")
    yield use(session)
    for _ in range(MINUTES):
        page.wait_for_timeout(60_000)
        yield use(session)


def use(session: CDPSession) -> Use:
    """What is held once all that can go has gone."""
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    return Use(heap, session.send("Memory.getDOMCounters")["nodes"])


def main_thread_tasks(trace: list[dict[str, Any]]) -> list[Task]:
    """The tasks of the page's main thread, longest first."""
    names = [each for each in trace if each["name"] == "thread_name"]
    threads = {(each["pid"], each["tid"]) for each in names if each["args"]["name"] == "CrRendererMain"}
    runs = [each for each in trace if each["name"] == "RunTask" and (each["pid"], each["tid"]) in threads]
    return sorted((Task(each.get("dur", 0) / 1000, each.get("tdur", 0) / 1000) for each in runs), reverse=True)
