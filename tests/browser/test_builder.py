"""The builder by mouse and by keyboard: every option, what points at what, the editor, and what is left without it."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.canvases import expect_ended, node, task
from tests.browser.test_canvas import draft, python, row, shown, text, written
from tests.browser.watch import Watch
from tests.support import Process, wait_for

COUNT = "addEventListener('click', (event) => event.isTrusted && window.clicks++, true); window.clicks = 0;"
RICH = (
    '{"chain":[{"task":"add","args":[1.0,12345678901234567890],"countdown":2.50,"retries":0,"immutable":false,'
    '"link_error":{"task":"echo","ignore_result":true}},{"chord":{"header":[{"map":{"task":"echo","it":[1e2]}},'
    '{"task":"echo","args":["한"],"immutable":true,"kwargs":{},"queue":"celery","priority":0,"expires":60,"time_limit":5.5,'
    '"eta":"2030-01-31T12:00:00Z"}],"body":{"task":"finalize","link":[]}},"link":[{"task":"echo"}]}]}'
)


def opened(page: Page, canvas: Any) -> None:
    """The builder with this canvas and everything that it loads."""
    page.goto("about:blank")
    page.goto(f"/ui/#/canvas?{urlencode({'draft': canvas if isinstance(canvas, str) else json.dumps(canvas)})}")
    expect(text(page)).to_be_visible()
    expect(python(page)).not_to_have_text("")


def option(page: Page, name: str) -> Locator:
    """The field of an option."""
    return page.locator(f'details [data-field="{name}"]')


def pointed(page: Page) -> tuple[list[str | None], list[str], list[str], list[str]]:
    """What is pointed at in the outline, the picture, the text and the expression."""
    rows = page.locator("[role=treeitem][data-pointed]")
    marks = [page.locator(f"[data-editor={name}] .cm-pointed") for name in ("json", "python")]
    return (
        [each.get_attribute("data-path") for each in rows.all()],
        page.locator(".node.pointed .node-task").all_text_contents(),
        ["".join(marks[0].all_text_contents())],
        ["".join(marks[1].all_text_contents())],
    )


def test_a_chord_from_nothing_in_8_clicks(page: Page, client: httpx.Client, worker: Process) -> None:
    page.add_init_script(COUNT)
    page.goto("/ui/#/start")
    page.locator('nav a[href="#/canvas"]').first.click()
    page.locator('[data-do="new"]').click()
    expect(page.locator('[data-action="run"]')).to_be_disabled()
    assert written(page) == ""
    page.locator('[data-begin="task"]').click()
    page.locator('[data-do="chord"]').click()
    page.locator('[data-do="add"]').click()
    row(page, "").click()
    page.locator('[data-do="add"]').click()
    expect(page.locator('[data-action="run"]')).to_be_enabled()
    page.locator('[data-action="run"]').click()
    expect_ended(page, "SUCCESS")
    assert page.evaluate("clicks") == 8
    result = 'finalize, Succeeded, = "Final result: [5, 5, 5]"'
    expect(node(page, "finalize")).to_have_attribute("aria-label", result)


def test_every_option_is_made_seen_and_removed(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")
    opened(page, task("echo", 1))
    page.locator(".canvas-task summary").click()
    values: dict[str, Any] = {"countdown": 5, "retries": 3, "expires": 60, "time_limit": 5.5, "priority": 0}
    values |= {"queue": "q", "eta": "2030-01-31T12:00:00Z", "kwargs": {"a": 1}}
    for name, value in values.items():
        option(page, name).fill(value if isinstance(value, str) else json.dumps(value))
    option(page, "ignore_result").check()
    page.locator('input[name="immutable"]').check()
    whole = {**task("echo", 1), **values, "ignore_result": True, "immutable": True}
    assert shown(page) == whole
    page.locator('[data-do="link"]').click()
    page.locator('[role=treeitem][aria-selected="true"]').press("Home")
    page.keyboard.press("5")
    page.keyboard.press("Home")
    page.keyboard.press("5")
    whole |= {"link": {"task": "echo"}, "link_error": [{"task": "echo"}, {"task": "echo"}]}
    assert shown(page) == whole
    row(page, "").click()
    expect(page.locator(".canvas-task details")).to_have_attribute("open", "")
    expect(option(page, "countdown")).to_have_value("5")
    for name in values:
        option(page, name).fill("")
    option(page, "ignore_result").uncheck()
    page.locator('input[name="immutable"]').uncheck()
    for path in ("link_error.1", "link_error.0", "link"):
        row(page, path).click()
        page.keyboard.press("Delete")
    assert shown(page) == task("echo", 1)
    page.locator('select[name="as"]').select_option("chunks")
    page.locator('textarea[name="it"]').fill("[1, 2, 3]")
    page.locator('[data-field="n"]').fill("2")
    assert shown(page) == {"chunks": {"task": "echo", "it": [1, 2, 3], "n": 2}}


def test_a_pasted_canvas_goes_through_the_builder_unchanged(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.post_data or "") if sent.url.endswith("/preview") else None)
    opened(page, RICH)
    wait_for(lambda: page.evaluate("1") and RICH in asked, what="the question about the canvas as it was pasted")
    row(page, "chain.0").click()
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowUp")
    option(page, "retries").fill("4")
    changed = RICH.replace('"retries":0', '"retries":4')
    assert "".join(written(page).split()) == changed
    wait_for(lambda: page.evaluate("1") and changed in asked, what="the same with one field changed")


def test_outline_picture_text_and_expression_point_at_each_other(page: Page, client: httpx.Client) -> None:
    opened(page, {"chord": {"header": [task("echo", "😀"), task("add", 1, 2)], "body": task("xsum")}})
    added = (["chord.header.1"], ["add"], ['{"task": "add", "args": [1, 2]}'], ["add.s(1, 2)"])
    places = [
        row(page, "chord.header.1"),
        node(page, "add"),
        text(page).get_by_text("add"),
        python(page).get_by_text("s", exact=True).nth(1),
    ]
    for place in places:
        place.first.hover()
        wait_for(lambda: page.evaluate("1") and pointed(page) == added, what=f"what {place} points at")
        page.locator("h1").hover()
        expect(page.locator("[data-pointed], .node.pointed")).to_have_count(0)
    row(page, "chord.header").hover()
    expect(page.locator(".node.pointed")).to_have_count(2)
    for place in places:
        row(page, "").click()
        expect(page.locator(".node.selected")).to_have_count(0)
        place.first.click()
        expect(row(page, "chord.header.1")).to_have_attribute("aria-selected", "true")
        expect(page.locator(".node.selected")).to_contain_text("add")
    page.get_by_role("application").focus()
    page.keyboard.press("End")
    expect(row(page, "chord.body")).to_have_attribute("aria-selected", "true")


def test_what_is_wrong_is_said_at_its_line(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")
    opened(page, task("add", 1, 2))
    second = '{"task": "add", "args": [1, 2], "countdown": -1}'
    text(page).fill(f'{{\n"chain": [\n{{"task": "echo", "retries": 11}},\n{second}]}}')
    faulty = page.locator("[data-editor=json] .cm-faulty")
    expect(faulty).to_have_count(2)
    expect(faulty.first).to_have_text('{"task": "echo", "retries": 11},')
    row(page, "chain.1").click()
    expect(option(page, "countdown")).to_have_attribute("aria-invalid", "true")
    text(page).fill('{\n"task": "add",\n"args": [1 2]\n}')
    expect(faulty).to_have_text('"args": [1 2]')
    python(page).fill("chain(add.s(1, 2), ")
    expect(page.locator("[data-editor=python] .cm-faulty")).to_have_count(1)
    expect(page.locator('[data-action="run"]')).to_be_disabled()
    python(page).fill("chain(add.s(1, 2), echo.s())")
    assert shown(page) == {"chain": [task("add", 1, 2), {"task": "echo"}]}
    expect(page.locator('[data-action="run"]')).to_be_enabled()
    expect(page.locator(".cm-faulty")).to_have_count(0)


def test_completion_is_from_the_catalogue(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")
    opened(page, task("add", 1, 2))
    text(page).fill("")
    text(page).press_sequentially('{"task": "mul')
    offers = page.locator(".cm-tooltip-autocomplete li")
    expect(offers).to_have_count(1)
    expect(offers).to_contain_text("multiply(x, y)")
    offers.click()
    page.keyboard.type(', "kwargs": {"')
    expect(offers).to_have_text(["x", "y"])
    page.keyboard.press("Escape")
    page.keyboard.press("Control+End")
    text(page).fill('{"task": "echo", "igno')
    page.keyboard.press("Control+Space")
    expect(offers).to_have_text("ignore_result")
    offers.click()
    page.keyboard.type("true}")
    assert json.loads(written(page).replace("}}", "}")) == {"task": "echo", "ignore_result": True}


def test_korean_is_written_and_tab_leaves(page: Page, client: httpx.Client) -> None:
    opened(page, task("echo", "abc"))
    text(page).press("Control+End")
    for key in ["ArrowLeft"] * 3 + ["Shift+ArrowLeft"] * 3:
        page.keyboard.press(key)
    typing = page.context.new_cdp_session(page)
    for syllable in ("한", "글"):
        for composed in ("ㅎ", syllable):
            typing.send("Input.imeSetComposition", {"text": composed, "selectionStart": 1, "selectionEnd": 1})
        typing.send("Input.insertText", {"text": syllable})
    wait_for(lambda: page.evaluate("1") and shown(page) == task("echo", "한글"), what="the word")
    assert draft(page) == task("echo", "한글")
    expect(python(page)).to_have_text("echo.s('한글')")
    page.keyboard.press("Tab")
    expect(text(page)).not_to_be_focused()
    text(page).focus()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(text(page)).to_be_visible()


@pytest.mark.parametrize("lost", ["vendor/codemirror", "editor-"])
def test_without_the_editor_a_text_area_does(page: Page, watch: Watch, client: httpx.Client, lost: str) -> None:
    watch.allow_unreachable()
    watch.allow("net::ERR_FAILED")
    page.route(f"**/{lost}**", lambda route: route.abort())
    page.goto("/ui/#/canvas")
    area = page.locator('textarea[name="json"]')
    expression = page.locator('textarea[name="python"]')
    expect(expression).to_have_value("chain(add.s(2, 3), multiply.s(10), finalize.s())")
    area.fill(json.dumps(task("add", 1, 2)))
    expect(expression).to_have_value("add.s(1, 2)")
    expression.fill("add.s(3, 4)")
    expect(area).to_have_value('{"task": "add", "args": [3, 4]}')
    area.fill("{")
    expect(page.locator("#canvas-trouble")).to_be_visible()
    expect(area).to_have_attribute("aria-invalid", "true")


def test_what_is_written_before_the_editor_comes_stays(page: Page, client: httpx.Client) -> None:
    held: list[Any] = []
    page.route("**/vendor/codemirror/**", lambda route: held.append(route))  # noqa: PLW0108
    page.goto("/ui/#/canvas")
    area = page.locator('textarea[name="json"]')
    area.fill("[1, ")
    wait_for(lambda: page.evaluate("1") and held, what="the request for the editor")
    held[0].continue_()
    expect(text(page)).to_be_focused()
    page.keyboard.type("2")
    assert written(page).startswith("[1, 2")


def test_no_other_screen_loads_the_editor(new_context: Callable[..., BrowserContext], client: httpx.Client) -> None:
    page = new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    for route in ("#/start", "#/jobs", "#/runs", "#/documents", "#/system"):
        page.goto(f"/ui/{route}")
        expect(page.locator("h1")).to_be_visible()
    assert not [url for url in asked if "codemirror" in url or "editor" in url]
    page.goto("/ui/#/canvas")
    expect(text(page)).to_be_visible()
    assert [url for url in asked if "codemirror" in url]


def test_the_focus_stays_where_a_tool_cannot_go_on(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")  # the chain may be looked at as it begins
    page.goto("/ui/#/canvas")
    page.locator("[data-do=new]").press("Enter")
    expect(page.locator("[data-begin=task]")).to_be_focused()
    page.locator("[data-begin=chain]").press("Enter")
    chosen = page.locator('.canvas-row[aria-selected="true"]')
    expect(chosen).to_be_focused()
    page.keyboard.press("ArrowDown")
    down = page.locator("[data-do=down]")
    down.focus()
    for _ in range(3):
        page.keyboard.press("Enter")
    expect(down).to_be_disabled()
    expect(chosen).to_be_focused()
