"""Every route at every width, in both languages and colour schemes: no sideways scroll, axe clean, a reason to read."""

import json
import platform
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote, urlencode

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect
from sqlalchemy import text

from background.documents.store import SAMPLES
from tests.browser.axe import COLOURS, axe
from tests.browser.canvases import start, task
from tests.browser.screens import failed_job, later_job, submit, until
from tests.support import Process, transaction, wait_for

WIDTHS = (320, 380, 640, 720, 768, 1024, 1440)
ZOOMED: ViewportSize = {"width": 320, "height": 256}
"""A window of 1280 by 1024 pixels at 400%."""
LOOKED_AT = (380, 768, 1440)
"""Each layout once: axe takes its time. In Korean, where only the words are others, it sees the narrowest."""
SCHEMES: dict[Literal["light", "dark"], tuple[str, ...]] = {"light": (), "dark": COLOURS}
"""With the rules by which each is judged, all or these."""

# What is too wide, what is too narrow to be read, which short words are broken into lines, how wide the reason of the
# first row is (null where there is no such row).
MEASURE = r"""
() => {
  const reason = document.querySelector("tbody tr:not(.spacer) td.c-why");
  const wider = document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML.slice(0, 80));
  const cut = document.documentElement.scrollWidth > innerWidth && !wider.length ? ["something"] : [];
  const narrow = [...document.querySelectorAll("select")]
    .filter((each) => each.checkVisibility() && each.getBoundingClientRect().width < 64).map((each) => each.name);
  const broken = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!/^[\w-]{2,12}$/.test(node.data.trim()) || node.parentElement.closest("pre, textarea, .cm-editor")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    if (new Set([...range.getClientRects()].map((each) => Math.round(each.top))).size > 1) broken.push(node.data);
  }
  return { wider: [...wider, ...cut], narrow, broken, reason: reason ? reason.getBoundingClientRect().width : null };
}
"""

# What a reader is told in the language of the page: its texts and labels, without code and what is marked as English.
SAID = """
() => {
  const foreign = (node) => node.closest("[lang=en], code, pre, kbd, textarea, [data-language], .runs .c-run");
  const said = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    if (node.parentElement.checkVisibility() && !foreign(node.parentElement)) said.push(node.data);
  for (const each of document.querySelectorAll("[aria-label], [placeholder]"))
    if (!foreign(each)) said.push(each.getAttribute("aria-label") ?? "", each.getAttribute("placeholder") ?? "");
  return said.map((each) => each.trim()).filter(Boolean);
}
"""
WORD = re.compile(r"[A-Za-z][A-Za-z_.@-]*[A-Za-z]")
NAMES = {
    *("API", "JSON", "ID", "Celery", "Playground", "Flower", "Python", "PostgreSQL", "Redis", "Markdown", "HTML"),
    *("PDF", "DOCX", "Word", "GMT", "UTC", "curl", "chord", "chain", "group", "countdown", "eta", "ms", "kB", "KB"),
    # Pipelines with their steps and params, tasks, and what they raise.
    *(
        "demo",
        "document",
        "callback_url",
        "celery",
        "prepare",
        "process",
        "publish",
        "extract",
        "analyze",
        "report",
        "merge_reports",
        "a_pipeline_whose_name_says_all_that_it_is_good_for_and_then_some",
    ),
    *("step_seconds", "fail_at_step", "fail_times", "null", "true", "false"),
    *("add", "multiply", "xsum", "finalize", "echo", "fail", "flaky", "sleep", "request_info"),
    *(
        "nightly",
        "weekly",
        "a-rather-long-name-of-a-tag-that-somebody-has-given-it-one-day",
        "tag",
        "param.customer",
        "error",
        "boom",
    ),
    *("RuntimeError", "CSV", "canvas", "prefork", "immutable", "Docker", "Compose", "LEASE_SECONDS"),
}
"""What is written in Latin letters in Korean, too."""
NIGHTLY = {
    "name": "밤마다 " * 20,
    "pipeline": "demo",
    "cron": "0 3 * * MON-FRI",
    "timezone": "Asia/Seoul",
    "catch_up": True,
}
DATA = re.compile(
    r"\S+@\S+|\S+\.(txt|md|pdf|docx|html|json)\b|\b[0-9a-f]{8}\b[0-9a-f-]*|https?://\S+"
    r"|(json|markdown|report_id|key|published): \S+|Step \d failed, as fail_at_step asks for|no such file"
)
"""What the jobs and runs of this test are made of: ids, addresses, files, results, what a step raises."""


def faults(page: Page, *rules: str) -> list[str]:
    """Whatever axe finds, each with the first places where it is so."""
    found = axe(page, *rules, also=("target-size",))["violations"]
    return [f"{each['id']}: {[node['target'] for node in each['nodes'][:3]]}" for each in found]


def english(page: Page) -> list[str]:
    """The words of the page that are neither Korean nor names."""
    said: list[str] = page.evaluate(SAID)
    words = {word for each in said for word in WORD.findall(DATA.sub("", each))}
    return sorted(words - NAMES - {platform.node()})


@pytest.fixture
def routes(client: httpx.Client, worker: Process) -> dict[str, str]:
    """Every route of the page, with what is to be seen before it is measured: jobs and runs of all kinds."""
    with transaction() as connection:
        # What other tests have run or stored is in the words of those.
        connection.execute(text("DELETE FROM runs"))
        connection.execute(text("DELETE FROM schedules"))
    for document in client.get("/documents").json():
        if not (SAMPLES / document["name"]).exists():
            client.delete(f"/documents/{quote(document['name'], safe='')}").raise_for_status()
    failed = failed_job(client, tags=["weekly", "a-rather-long-name-of-a-tag-that-somebody-has-given-it-one-day"])
    also = {"step_seconds": 0, "fail_at_step": 1, "fail_times": 9}
    until(client, submit(client, params=also, max_attempts=1, tags=["weekly"]), "FAILED")
    named = later_job(client)
    with transaction() as connection:
        long = {"id": named, "name": "a_pipeline_whose_name_says_all_that_it_is_good_for_and_then_some"}
        connection.execute(text("UPDATE jobs SET pipeline = :name WHERE id = :id"), long)
    pausing = submit(client, params={"step_seconds": 0, "fail_at_step": 1, "fail_times": 9}, max_attempts=9)
    again = submit(client, params={"step_seconds": 0, "fail_at_step": 2}, max_attempts=3)
    worked = until(client, again, "COMPLETED")["worker"]
    done = submit(client, pipeline="document", params={"document": "why-queues.txt"})
    until(client, done, "COMPLETED")
    broken = {
        "chain": [task("echo", 1), task("fail", "첫 줄\n" + "전송 중에 문제가 생겼습니다. " * 60, immutable=True)]
    }
    run = start(client, {"chord": {"header": [task("add", 1, 2), broken], "body": task("xsum")}})
    due = start(client, {"chain": [task("add", 1, 2, countdown=3000), task("finalize")]})
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="the end of the run")
    wait_for(lambda: client.get(f"/jobs/{pausing}").json()["attempt"], what="an attempt")
    nightly = client.post("/schedules", json=NIGHTLY).raise_for_status().json()
    return {
        "#/start": "[data-card]",
        "#/jobs": "tr[data-job-id]",
        "#/jobs?status=FAILED": "tr[data-job-id]",
        "#/jobs?q=tag%3Aweekly+param.fail_times%3A9": "[data-matching] [data-error]",
        "#/jobs/new": "dialog [data-field=step_seconds]",
        f"#/jobs/{failed}": ".clamped-text, [data-sentence]",
        f"#/jobs/{named}": "[data-sentence]",
        f"#/jobs/{failed}?as=table": "table.tries",
        f"#/jobs/{failed}?tab=events": "table.history",
        f"#/jobs/{pausing}": ".gantt-line",
        f"#/jobs/{done}?tab=data": "pre",
        "#/canvas?example=header-fails": "[data-warning]",
        f"#/canvas?{urlencode({'draft': json.dumps(task('add', 1, 2, countdown=5))})}": "[data-field=eta]",
        "#/runs": "tr[data-run]",
        f"#/runs/{run}?tab=graph": ".node",
        f"#/runs/{run}?tab=outline": "[role=treeitem]",
        f"#/runs/{due}?tab=timeline": ".when-row",
        f"#/runs/{run}?tab=data": "pre",
        f"#/runs/{run}?at=1e9": ".lane-bar",
        f"#/jobs/{failed}?at=1e9": ".lane-bar",
        "#/documents": "tr[data-document]",
        "#/system": "[data-worker]",
        "#/system?as=table&range=day": "table.numbers",
        "#/pipelines": "[data-pipeline]",
        "#/pipelines/demo?range=week": "canvas",
        "#/schedules": "[data-schedule]",
        f"#/schedules/{nightly['id']}": "[data-schedule] li",
        f"#/workers/{worked}": "tr[data-job-id]",
        f"#/jobs/{again}?tab=compare": "table.compare",
        "#/nowhere": "h1",
    }


def looked_at(page: Page, *, korean: bool) -> Iterator[str]:
    """What is wrong with a route, at each width; where the layout changes, in both colour schemes."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 780})
        measured = page.evaluate(MEASURE)
        if measured["wider"]:
            yield f"{width}: too wide: {measured['wider'][:3]}"
        if measured["narrow"]:
            yield f"{width}: too narrow: {measured['narrow']}"
        if measured["broken"]:
            yield f"{width}: broken into lines: {measured['broken'][:3]}"
        if width >= 640 and (measured["reason"] or 200) < 200:
            yield f"{width}: the reason has {measured['reason']} px"
        if width in (LOOKED_AT[:1] if korean else LOOKED_AT):
            for scheme, rules in SCHEMES.items():
                page.emulate_media(color_scheme=scheme)
                yield from (f"{width}, {scheme}: {fault}" for fault in faults(page, *rules))
        if korean and width in LOOKED_AT and (words := english(page)):
            yield f"{width}: English: {words}"
    page.set_viewport_size(ZOOMED)
    if wider := page.evaluate(MEASURE)["wider"]:
        yield f"at 400%: too wide: {wider[:3]}"


def visited(page: Page, routes: dict[str, str]) -> Iterator[str]:
    """Each route, once what it shows is there."""
    for route, ready in routes.items():
        page.set_viewport_size({"width": 1440, "height": 780})
        page.goto("about:blank")
        page.goto(f"/ui/{route}")
        expect(page.locator(ready).first).to_be_visible()
        yield route


@pytest.mark.timeout(400)  # it looks at all there is
@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
def test_every_route_is_right_at_every_width(
    new_context: Callable[..., BrowserContext], routes: dict[str, str], language: str
) -> None:
    page = new_context(locale=language, timezone_id="Asia/Seoul", reduced_motion="reduce").new_page()
    found: list[str] = []
    for route in visited(page, routes):
        found += [f"{route} at {each}" for each in looked_at(page, korean=language == "ko-KR")]
    assert not found, "\n".join(found)


def test_every_route_is_as_narrow_on_the_days_after(
    new_context: Callable[..., BrowserContext], routes: dict[str, str]
) -> None:
    """When times have their dates."""
    page = new_context(locale="en-US", timezone_id="Asia/Seoul", reduced_motion="reduce").new_page()
    page.clock.install(time=datetime.now(UTC) + timedelta(days=2))
    found: list[str] = []
    for route in visited(page, routes):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 780})
            found += [f"{route} at {width}: {each}" for each in page.evaluate(MEASURE)["wider"][:2]]
    assert not found, "\n".join(found)
