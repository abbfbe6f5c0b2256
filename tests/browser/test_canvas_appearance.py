"""Canvases, runs and documents as `test_appearance` tries the other pages: on phones, in both languages and schemes."""

from collections.abc import Callable, Iterator
from functools import partial

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from background.documents.store import SAMPLES
from tests.browser.canvases import start, task
from tests.browser.test_appearance import PHONE, faults, sideways
from tests.browser.watch import Watch
from tests.support import Process, wait_for

BROKEN = {"chord": {"header": [task("add", 1, 2), task("fail", "boom"), task("echo", [])], "body": task("xsum")}}
WIDE = {"chord": {"header": [task("add", number, 1) for number in range(40)], "body": task("xsum")}}


ECHO = task("echo")


def is_ready(client: httpx.Client, run: str) -> bool:
    """Whether the run has ended."""
    return bool(client.get(f"/result/{run}").json()["ready"])


def screens(page: Page, client: httpx.Client) -> Iterator[str]:
    """Show one screen after the other; gives the name of each."""
    broken, *others = [start(client, canvas) for canvas in (BROKEN, WIDE, {**task("fail", "x"), "link_error": ECHO})]
    for run in (broken, *others):
        wait_for(partial(is_ready, client, run), what="the end of a run")
    page.goto("/ui/#/runs")
    expect(page.locator(f'tr[data-run="{broken}"]')).to_be_visible()
    yield "the list of runs"
    tabs = [(broken, tab) for tab in ("graph", "outline", "timeline", "data")]
    for run, tab in [*tabs, *((run, "graph") for run in others)]:
        page.goto(f"/ui/#/runs/{run}?tab={tab}")
        expect(page.locator(f'[data-run="{run}"] [data-tab="{tab}"]')).to_have_attribute("aria-pressed", "true")
        page.wait_for_function("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        yield f"run {run} as {tab}"
    for query in ("?example=header-fails", "?example=empty-header", "?example=wide"):
        page.goto(f"/ui/#/canvas{query}")
        expect(page.locator(".findings").get_by_role("listitem").first).to_be_visible()
        yield f"canvas{query}"
    page.locator('[role="treeitem"][data-kind="task"]').first.click()
    yield "the form of a task"
    page.goto("/ui/#/documents")
    name = "a rather long name of a document that says what is in it.txt"
    client.post("/documents", files={"file": (name, (SAMPLES / "why-queues.txt").read_bytes())})
    page.reload()
    expect(page.locator("tr[data-document]").first).to_be_visible()
    yield "documents"
    report = client.post("/documents/report").json()["task_id"]
    page.goto(f"/ui/#/runs/{report}?node={report}")
    page.locator('[data-inspector] [data-action="report"]').click(timeout=30_000)
    expect(page.locator('[data-dialog="report"] table')).to_be_visible()
    yield "a report"


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("scheme", "language"), [("light", "en-US"), ("dark", "en-US"), ("light", "ko-KR")])
def test_a_phone_shows_every_screen_well(
    new_context: Callable[..., BrowserContext], watch: Watch, client: httpx.Client, *, scheme: str, language: str
) -> None:
    watch.allow("status of 422")
    page = new_context(viewport=PHONE, color_scheme=scheme, locale=language).new_page()
    found: list[str] = []
    for name in screens(page, client):
        if wider := sideways(page):
            found.append(f"{name} is too wide: {wider[:3]}")
        found += [f"{name}: {fault}" for fault in faults(page)]
    assert not found, "\n".join(found)


def test_a_wide_screen_has_no_serious_fault(page: Page, watch: Watch, client: httpx.Client, worker: Process) -> None:
    watch.allow("status of 422")
    found = [f"{name}: {fault}" for name in screens(page, client) for fault in faults(page)]
    assert not found, "\n".join(found)


def test_a_phone_shows_a_chord_the_narrower_way_and_words_in_their_boxes(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    header = ",".join(['{"task":"echo","args":["WWWWWWWWWWWWWWWWWWWWWWWW"]}'] * 3)
    page.goto(f'/ui/#/canvas?draft={{"chord":{{"header":[{header}],"body":{{"task":"xsum"}}}}}}')
    expect(page.locator(".node")).to_have_count(4)
    assert page.locator(".graph-view").evaluate("view => view.scrollWidth <= view.clientWidth")
    assert page.locator(".node").first.evaluate("""node => {
      const right = (part) => node.querySelector(part).getBoundingClientRect().right;
      return right(".node-detail") < right(".node-box");
    }""")
