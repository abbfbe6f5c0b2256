"""The start page, and what the page teaches: the first steps of a visitor, the glossary, expectation beside reality."""

import re
from collections.abc import Callable

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.canvases import expect_ended, node, open_run, start, task
from tests.browser.screens import expect_route, failed_job, submit, until
from tests.browser.test_appearance import PHONE, faults, sideways
from tests.browser.watch import Watch
from tests.support import Process

MOST_CLICKS = 6
BROKEN = {"chord": {"header": [task("add", 1, 2), task("multiply", 3, 4), task("fail", "no such file")]}}
BROKEN["chord"]["body"] = task("xsum")  # type: ignore[assignment]  # the example `header-fails`


def flow(page: Page, place: str) -> Locator:
    """A place in the picture of the start page."""
    return page.locator(f'[data-flow="{place}"]')


def test_from_the_start_page_to_success_in_few_clicks(page: Page, client: httpx.Client, worker: Process) -> None:
    clicks = 0

    def click(what: Locator) -> None:
        nonlocal clicks
        what.click()
        clicks += 1

    page.goto("/")  # as a browser asks
    expect_route(page, "/ui/#/start")
    click(page.locator('[data-action="chord"]'))
    expect(page.locator("[data-expected]")).to_contain_text("The callback runs with the other results")
    expect(node(page, "sleep")).to_have_attribute("data-state", "STARTED")
    expect(node(page, "multiply")).to_have_attribute("data-state", "SUCCESS")
    click(page.locator('[data-action="terminate"]'))
    expect_ended(page, "REVOKED")
    expect(page.locator("[data-verdict]")).to_contain_text("sleep was killed while it ran")
    expect(page.locator('[data-advice="killed"]')).to_contain_text("Retry: what was killed")
    click(page.locator('[data-lesson="killed-header"] [data-term="callback"]').first)
    expect(page.get_by_role("dialog", name="Callback")).to_contain_text("called when another has succeeded")
    click(page.locator('[data-action="retry"]'))
    expect_ended(page, "SUCCESS")
    expect(page.locator('[data-fact="result"]')).to_contain_text("25")
    assert clicks <= MOST_CLICKS


def test_the_picture_has_the_numbers_of_this_moment(page: Page, client: httpx.Client, worker: Process) -> None:
    page.goto("/ui/")
    expect(flow(page, "api")).to_contain_text("answers")
    expect(flow(page, "worker")).to_contain_text(re.compile("[1-9]"))
    expect(flow(page, "database")).to_contain_text("0")
    pid = client.get("/workers").json()[0]["pid"]
    expect(page.locator('[data-card="kill"] pre')).to_have_text(f"kill -9 {pid}")
    page.locator('[data-action="job"]').click()
    expect(page.locator("article.job")).to_have_attribute("data-status", re.compile("IN_PROGRESS|COMPLETED"))
    page.get_by_role("link", name="Celery Playground, Start").click()
    expect(flow(page, "database").locator(".figure-value")).to_have_text("1")


def test_empty_lists_lead_to_the_start_page(page: Page, client: httpx.Client) -> None:
    page.goto("/ui/#/jobs")
    page.locator('[data-empty] [data-action="start"]').click()
    expect(page.locator('[data-card="chord"]')).to_be_visible()


def test_a_term_is_explained_by_keyboard(page: Page, client: httpx.Client, worker: Process) -> None:
    job = submit(client, params={"step_seconds": 0})
    until(client, job, "COMPLETED")
    page.goto(f"/ui/#/jobs/{job}")
    term = page.locator('[data-fact="attempts"] button[data-term="attempt"]')
    term.focus()
    page.keyboard.press("Enter")
    shown = page.get_by_role("dialog", name="Attempt")
    expect(shown).to_contain_text("How often a worker has taken the job")
    expect(shown).to_be_focused()
    assert not faults(page)
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0)
    expect(term).to_be_focused()
    expect_route(page, f"#/jobs/{job}")
    page.keyboard.press("Enter")
    page.go_back()
    expect(page.locator(".explanation")).to_have_count(0)


def test_a_term_in_a_sentence_keeps_the_focus_while_time_passes(
    page: Page, client: httpx.Client, worker: Process
) -> None:
    job = submit(client, params={"step_seconds": 8})
    until(client, job, "IN_PROGRESS")
    page.goto(f"/ui/#/jobs/{job}")
    term = page.locator("[data-sentence] button.term").first
    term.focus()
    sentence = page.locator("[data-sentence]")
    before = sentence.inner_text()
    expect(sentence).not_to_have_text(before)
    expect(term).to_be_focused()


def test_a_word_is_not_broken_where_a_term_in_it_is_explained(
    new_context: Callable[..., BrowserContext], client: httpx.Client, worker: Process
) -> None:
    page = new_context(locale="ko-KR", viewport={"width": 320, "height": 700}).new_page()
    open_run(page, start(client, {"chord": {"header": [task("fail", "no")], "body": task("echo")}}))
    expect_ended(page, "FAILURE")
    words = page.locator("[data-verdict] .glued")
    expect(words.filter(has_text="chord의")).to_have_text("chord의")
    # Its text stands beside its button at every width, so also where that ends the line.
    apart = """all => all.map((each) => {
      const range = document.createRange();
      range.selectNodeContents(each);
      const rects = [...range.getClientRects()].filter(({ width }) => width);
      const tops = rects.map(({ top }) => top);
      return Math.max(...tops) - Math.min(...tops);
    })"""
    for width in range(320, 480, 8):
        page.set_viewport_size({"width": width, "height": 700})
        assert max(words.evaluate_all(apart)) < 12, width


def test_words_of_an_error_are_not_explained(page: Page, client: httpx.Client, worker: Process) -> None:
    said = "the worker of this queue has lost its task, retry the chord"
    open_run(page, start(client, task("fail", said)))
    expect_ended(page, "FAILURE")
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_contain_text(said)
    expect(verdict.locator("button.term")).to_have_count(0)
    open_run(page, start(client, {"chord": {"header": [task("fail", said)], "body": task("echo")}}))
    expect_ended(page, "FAILURE")
    expect(verdict).to_contain_text(said)
    expect(verdict.locator("button.term")).to_have_text(["callback", "chord"])
    job = failed_job(client)
    page.goto(f"/ui/#/jobs/{job}")
    sentence = page.locator("[data-sentence]")
    expect(sentence).to_contain_text("RuntimeError: Step 2 failed")
    expect(sentence.locator("button.term")).to_have_text(["Step"])
    assert sentence.inner_text().startswith("Step 2, process, failed")


def test_expectation_stands_beside_what_happened(page: Page, client: httpx.Client, worker: Process) -> None:
    run = start(client, BROKEN)  # by a program: the run itself says which example it is
    open_run(page, run)
    expect_ended(page, "FAILURE")
    lesson = page.locator('[data-lesson="header-fails"]')
    expect(lesson).to_contain_text("The callback runs with the results that there are.")
    expect(lesson.locator('[data-advice="callback_skipped"]')).to_contain_text("then retry")
    link = lesson.get_by_role("link", name="Celery's documentation")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    expect(link).to_have_attribute("target", "_blank")
    open_run(page, other := start(client, {"chain": [task("fail", "x"), task("echo")]}))
    expect_ended(page, "FAILURE")
    expect(page.locator(f'[data-run="{other}"] [data-expected]')).to_have_count(0)
    expect(page.locator('[data-advice="chain_stopped"]')).to_be_visible()
    open_run(page, start(client, task("add", 1, 1)))
    expect_ended(page, "SUCCESS")
    expect(page.locator(".lesson")).to_be_hidden()


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("width", [320, PHONE["width"], 1440])
@pytest.mark.parametrize(("scheme", "language"), [("light", "en-US"), ("dark", "ko-KR")])
def test_it_looks_well(
    new_context: Callable[..., BrowserContext],
    watch: Watch,
    client: httpx.Client,
    *,
    width: int,
    scheme: str,
    language: str,
) -> None:
    run = start(client, BROKEN)
    size = {"width": width, "height": 780}
    page = new_context(viewport=size, color_scheme=scheme, locale=language).new_page()
    page.goto("/ui/")
    expect(flow(page, "worker").locator(".figure-value")).to_have_text(re.compile(r"\d"))
    found = [*sideways(page), *faults(page)]
    page.locator('.words [data-term="countdown"]').click()
    found += [*sideways(page), *faults(page)]
    open_run(page, run)
    expect_ended(page, "FAILURE")
    found += [*sideways(page), *faults(page)]
    assert not found, "\n".join(found)


def test_the_preview_explains_what_it_is_made_of(page: Page, client: httpx.Client) -> None:
    page.goto("/ui/#/canvas?example=header-fails")
    words = page.locator(".canvas .words")
    expect(words.locator("button.term")).to_have_text(["Chord", "Header", "Body"])
    words.locator('[data-term="header"]').click()
    expect(page.get_by_role("dialog", name="Header")).to_contain_text("all have to succeed")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("dialog", name="Header")).to_have_count(0)
    expect(words.locator('[data-term="body"]')).to_be_focused()
    warning = page.locator('[data-warning="header-failure"]')
    expect(warning.locator("[data-advice]")).to_contain_text("catch their errors")
    expect(warning.locator('[data-term="task"]')).to_be_visible()
    page.goto("/ui/#/canvas?example=error-callback")
    expect(words.locator("button.term")).to_have_text(["Chain", "Error callback"])
