"""What was recorded, watched again: of a run, of a job, and from a saved file without a server."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.canvases import node, open_run, start, task
from tests.browser.screens import submit, until
from tests.browser.watch import Watch
from tests.support import Process, wait_for

HOSTILE = "</script><script>window.broken = 1</script><!--\u2028 $& $'"


def play_to(page: Page, value: float) -> None:
    """Put the scrubber there."""
    page.locator('input[name="moment"]').evaluate(
        "(range, value) => { range.value = value; range.dispatchEvent(new Event('input')); }", str(value)
    )


def step_to(page: Page, words: str) -> None:
    """Go on from moment to moment by the keyboard until this is said."""
    said = page.locator("[data-moment]")
    for _ in range(40):
        if re.search(words, said.inner_text()):
            return
        before = page.locator('input[name="moment"]').get_attribute("aria-valuetext")
        page.locator('input[name="moment"]').press("ArrowRight")
        expect(page.locator('input[name="moment"]')).not_to_have_attribute("aria-valuetext", before or "")
    raise AssertionError(words)


def lane(page: Page, name: str) -> Locator:
    """The words of a lane."""
    return page.locator(f'.lane-words[data-lane^="{name}"]')


@pytest.fixture
def chord(client: httpx.Client, worker: Process) -> dict[str, Any]:
    """A chord that failed, after it has ended."""
    header = [task("sleep", 0.4), {"chain": [task("echo", HOSTILE), task("fail", "no", retries=1, immutable=True)]}]
    run = start(client, {"chord": {"header": header, "body": task("xsum")}})
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="the end of the run")
    return dict(client.get(f"/result/{run}").json())


def watch_again(page: Page) -> None:
    """The moments of the chord, forth and back."""
    page.locator('input[name="moment"]').press("Home")
    play_to(page, 0)
    expect(page.locator('.node[data-state="PENDING"]')).to_have_count(4)
    step_to(page, "echo begins on")
    expect(node(page, "echo")).to_have_attribute("data-state", "STARTED")
    expect(node(page, "fail")).to_have_attribute("data-state", "PENDING")
    expect(page.locator(".stem")).to_have_attribute("data-state", "waiting")
    step_to(page, "fail failed and will be tried again")
    expect(node(page, "fail")).to_have_attribute("data-state", "RETRY")
    # Whether the sleeping one has begun by then is for the pool to say.
    expect(lane(page, "queue")).to_contain_text(re.compile("[12] messages? wait"))
    step_to(page, "fail fails")
    expect(node(page, "fail")).to_have_attribute("data-state", "FAILURE")
    play_to(page, 1e9)
    expect(node(page, "xsum")).to_have_attribute("data-state", "SKIPPED")
    expect(page.locator(".stem")).to_have_attribute("data-state", "cut")
    play_to(page, 0)
    expect(page.locator('.node[data-state="PENDING"]')).to_have_count(4)


def test_a_chord_is_watched_again(page: Page, chord: dict[str, Any]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_run(page, chord["task_id"])
    expect(page.locator(".stem")).to_have_attribute("data-state", "cut")
    assert not [url for url in asked if url.endswith("/history")]
    page.locator('[data-action="replay"]').click()
    expect(page.locator('.node[data-state="PENDING"]')).to_have_count(4)
    watch_again(page)
    # What does not follow says so; what the moment's state is, the replay says itself.
    expect(page.locator("[data-as-it-is]")).to_have_text("As it ended:")
    expect(page.locator("[data-replay] .badge")).to_have_text("Waiting")
    worker = chord["graph"]["nodes"][0]["worker"]
    expect(page).to_have_url(re.compile(r"at=0$"))
    step_to(page, "echo begins on")
    expect(lane(page, worker)).to_contain_text("echo")
    # The address follows once it rests: not one of the moments before.
    expect(page.locator("[data-settling]")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"at=(?!0\b(?!\.))"))
    # The same moment by its address, and in the other pictures.
    page.reload()
    expect(node(page, "echo")).to_have_attribute("data-state", "STARTED")
    page.locator('[data-tab="outline"]').click()
    expect(page.locator('[role="treeitem"][data-state="STARTED"]').first).to_be_visible()
    page.locator('[data-tab="timeline"]').click()
    expect(page.locator('.when-row[data-role="run"]').first).to_be_visible()
    page.locator('[data-tab="graph"]').click()
    # It plays to the end by itself, and one press leads back.
    page.locator('select[name="speed"]').select_option("0.1")
    page.locator('[data-action="play"]').click()
    was = page.url
    expect(page.locator("[data-playing]")).to_have_count(1)
    expect(page).not_to_have_url(was)
    expect(page.locator("[data-playing]")).to_have_count(1)
    page.locator('select[name="speed"]').select_option("10")
    expect(page.locator(".stem")).to_have_attribute("data-state", "cut")
    expect(page.locator("[data-playing]")).to_have_count(0)
    play_to(page, 0)
    page.locator('[data-action="live"]').click()
    expect(page.locator("[data-replay]")).to_have_count(0)
    expect(page.locator("[data-as-it-is]")).to_be_hidden()
    expect(page.locator('[data-action="replay"]')).to_be_focused()
    expect(page.locator(".stem")).to_have_attribute("data-state", "cut")
    # What is no moment is not one.
    open_run(page, chord["task_id"], "?at=abc")
    expect(page.locator(".stem")).to_have_attribute("data-state", "cut")
    expect(page.locator("[data-replay]")).to_have_count(0)


def saved(page: Page, into: Path) -> Path:
    """The file that the page gives."""
    with page.expect_download() as download:
        page.locator('[data-action="save-replay"]').click()
    path = into / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.fixture
def alone(browser: Browser) -> Callable[[Path], Page]:
    """Opens a file in a browser that has no network, and holds what it complains of."""
    contexts: list[BrowserContext] = []

    def open_file(path: Path) -> Page:
        context = browser.new_context(offline=True, viewport={"width": 320, "height": 700}, locale="en-US")
        contexts.append(context)
        context.set_default_timeout(20_000)
        watch = Watch()
        watch.follow(context, base_url="")
        page = context.new_page()
        page.goto(path.as_uri())
        assert watch.complaints() == []
        return page

    return open_file


def test_a_saved_run_needs_no_server(page: Page, chord: dict[str, Any], alone: Any, tmp_path: Path) -> None:
    open_run(page, chord["task_id"], "?at=0")
    path = saved(page, tmp_path)
    assert path.name == f"run-{chord['task_id'][:8]}.html"
    file = alone(path)
    expect(file.locator("[data-verdict]")).to_contain_text("So xsum, the callback of its chord, did not run")
    assert file.evaluate("document.documentElement.scrollWidth") <= 320
    file.set_viewport_size({"width": 1280, "height": 800})
    file.locator('[data-tab="graph"]').click()
    watch_again(file)
    file.locator('[data-tab="data"]').click()
    assert file.evaluate("window.broken") is None
    kept = re.search(r'id="record">(.*?)</script>', path.read_text(), re.DOTALL)
    assert kept is not None
    assert json.loads(kept[1])["run"]["graph"]["nodes"][1]["args"] == [HOSTILE]


def test_a_job_is_watched_again(page: Page, client: httpx.Client, worker: Process, alone: Any, tmp_path: Path) -> None:
    job = submit(client, params={"step_seconds": 0.1, "fail_at_step": 2, "fail_times": 1}, max_attempts=3)
    until(client, job, "COMPLETED")
    page.goto(f"/ui/#/jobs/{job}")
    page.locator('[data-action="replay"]').click()
    lines = page.locator(".gantt-line")
    expect(page.locator(".gantt-line.outline")).to_have_count(2)
    expect(page.locator('.gantt-line[data-role="wait"]')).to_have_count(1)
    file = alone(saved(page, tmp_path))
    # Nobody is there to lead to, and nothing is "ago".
    expect(file.locator('[data-fact="worker"] a')).not_to_have_attribute("href", re.compile(""))
    expect(file.locator('[data-fact="created"] dd')).to_contain_text(re.compile(r"20\d\d"))
    file.locator('[data-tab="compare"]').click()
    expect(file.locator(".panel")).to_contain_text("no second attempt yet")
    play_to(file, 1e9)
    expect(file.locator('[data-step="2"] .badge').first).to_be_visible()
    assert file.locator('a[href^="#"]').count() == 0
    file.locator('[data-tab="steps"]').click()
    for shown in (page, file):
        lines = shown.locator(".gantt-line")
        play_to(shown, 0)
        step_to(shown, "^Started")
        expect(shown.locator('.gantt-line[data-role="run"]')).to_have_count(1)
        expect(lane(shown, "queue")).to_contain_text("0 messages wait")
        step_to(shown, "^Step failed")
        expect(shown.locator('.gantt-line[data-step="2"][data-role="retry"]')).not_to_have_count(0)
        expect(lane(shown, "queue")).to_contain_text("1 message waits")
        play_to(shown, 1e9)
        expect(shown.locator('.gantt-line[data-role="ok"]')).to_have_count(3)
        expect(lines).to_have_count(4)


def test_what_is_live_goes_on_behind_its_replay(page: Page, client: httpx.Client, worker: Process) -> None:
    run = start(client, {"chain": [task("echo", 1), task("sleep", 6, immutable=True), task("echo", 2, immutable=True)]})
    open_run(page, run)
    expect(node(page, "sleep")).to_have_attribute("data-state", "STARTED")
    page.locator('[data-action="replay"]').click()
    expect(page.locator('.node[data-state="PENDING"]')).to_have_count(3)
    length = page.locator('input[name="moment"]').get_attribute("max")
    expect(page.locator("article.run")).to_have_attribute("data-status", "SUCCESS")
    expect(page.locator('.node[data-state="PENDING"]')).to_have_count(3)
    expect(page.locator('input[name="moment"]')).not_to_have_attribute("max", length or "")
    page.locator('[data-action="live"]').click()
    expect(page.locator('.node[data-state="SUCCESS"]')).to_have_count(3)
