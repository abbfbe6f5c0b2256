"""The builder: JSON beside an outline, warnings before anything runs, examples, drafts in the address."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2 as httpx
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.canvases import expect_ended, node, start, task
from tests.browser.watch import Watch
from tests.support import Process, wait_for


def text(page: Page) -> Locator:
    """The canvas as JSON."""
    return page.locator('[data-editor="json"] .cm-content')


def python(page: Page) -> Locator:
    """The canvas as a Celery expression."""
    return page.locator('[data-editor="python"] .cm-content')


def written(page: Page) -> str:
    """The whole text, also what of it is not in sight."""
    return str(page.locator('[data-editor="json"]').evaluate("each => each.value"))


def shown(page: Page) -> Any:
    """The canvas that the text says."""
    return json.loads(written(page))


def row(page: Page, path: str) -> Locator:
    """The row of a part in the outline."""
    return page.locator(f'[role="treeitem"][data-path="{path}"]')


def draft(page: Page) -> Any:
    """The canvas in the page's address."""
    query = parse_qs(urlsplit(urlsplit(page.url).fragment).query)
    return json.loads(query["draft"][0]) if "draft" in query else None


def test_a_warning_comes_before_the_run(page: Page, client: httpx.Client, worker: Process) -> None:
    page.goto("/ui/#/canvas?example=header-fails")
    expect(page.locator(".example")).to_contain_text("The callback runs with the results that there are.")
    expect(page.locator('[data-warning="header-failure"]')).to_contain_text("its siblings still run")
    expect(page.locator("[data-graph] .node")).to_have_count(4)
    expect(python(page)).to_have_text("chord([add.s(1, 2), multiply.s(3, 4), fail.s('no such file')], xsum.s())")
    page.locator('[data-action="run"]').click()
    expect_ended(page, "FAILURE")
    expect(page.locator("[data-verdict]")).to_contain_text("the callback of its chord, did not run")
    page.locator('[data-action="copy-run"]').click()
    expect(text(page)).to_contain_text("no such file")
    assert shown(page)["chord"]["body"] == {"task": "xsum"}


def test_every_example_is_previewed(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")
    page.goto("/ui/#/canvas")
    expect(page.locator('select[name="example"]')).to_be_visible()
    names = page.locator('select[name="example"] option').evaluate_all("all => all.map(each => each.value)")[1:]
    assert len(names) >= 6
    for name in names:
        page.locator('select[name="example"]').select_option(name)
        expect(page.locator(".example")).to_be_visible()
        if name == "empty-header":
            expect(page.locator("[data-error]")).to_contain_text("at least 1 item")
            expect(page.locator('[data-action="run"]')).to_be_disabled()
            expect(row(page, "chord.header")).to_have_attribute("data-invalid", "")
        else:
            expect(page.locator('[data-action="run"]')).to_be_enabled()
            expect(page.locator("[data-error]")).to_have_count(0)


def test_the_outline_and_the_text_follow_each_other(page: Page, client: httpx.Client, watch: Watch) -> None:
    watch.allow("status of 422")  # between two of these keys the canvas may be looked at as it stands
    page.goto("/ui/#/canvas")
    text(page).fill('{"chain": [{"task": "add", "args": [1, 2]}, {"task": "echo"}]}')
    expect(page.get_by_role("treeitem")).to_have_count(3)
    row(page, "chain.1").click()
    page.keyboard.press("2")
    expect(row(page, "chain.1.group.0")).to_be_visible()
    assert shown(page) == {"chain": [task_of("add", 1, 2), {"group": [{"task": "echo"}]}]}
    page.keyboard.press("Insert")
    page.keyboard.press("Alt+ArrowUp")
    page.locator('select[name="task"]').select_option("sleep")
    page.locator('input[name="args"]').fill("0.5")
    page.locator('input[name="immutable"]').check()
    wait_for(lambda: shown(page)["chain"][1]["group"][0] == {"task": "sleep", "args": [0.5], "immutable": True})
    expect(python(page)).to_have_text("chain(add.s(1, 2), group(sleep.si(0.5), echo.s()))")
    row(page, "chain.1.group.1").click()
    page.keyboard.press("Delete")
    assert shown(page)["chain"][1] == {"group": [{"task": "sleep", "args": [0.5], "immutable": True}]}
    page.locator('[data-do="undo"]').click()
    assert len(shown(page)["chain"][1]["group"]) == 2
    assert draft(page) == shown(page)
    page.reload()
    expect(page.get_by_role("treeitem")).to_have_count(5)
    expect(page.locator("[data-graph] .node")).to_have_count(3)


def task_of(name: str, *args: Any) -> dict[str, Any]:
    """A task as the page writes it."""
    return {"task": name, "args": list(args)}


def test_what_is_no_json_keeps_the_last_outline(page: Page, client: httpx.Client) -> None:
    page.goto("/ui/#/canvas")
    expect(page.get_by_role("treeitem")).to_have_count(4)
    text(page).press("Control+End")
    text(page).press_sequentially(" {")
    expect(page.locator("#canvas-trouble")).to_contain_text("not JSON yet")
    expect(page.locator(".canvas-edit")).to_have_attribute("inert", "")
    expect(page.locator('[data-action="run"]')).to_be_disabled()
    expect(page.get_by_role("treeitem", include_hidden=True)).to_have_count(4)
    text(page).fill("chord([add.s(1, 2), echo.si('x')], finalize.s())")
    expect(page.locator("#canvas-trouble")).to_be_hidden()
    assert shown(page)["chord"]["header"][1] == {"task": "echo", "args": ["x"], "immutable": True}


def test_an_answer_about_an_earlier_text_lets_nothing_run(page: Page, client: httpx.Client) -> None:
    held: list[Route] = []
    page.route("**/canvas/preview", lambda route: held.append(route))  # noqa: PLW0108  (it must be a function of Python)
    page.goto("/ui/#/canvas")
    wait_for(lambda: page.evaluate("1") and held, what="the question about the first text")
    text(page).press("Control+End")
    text(page).press_sequentially(" {")
    expect(page.locator('[data-action="run"]')).to_be_disabled()
    held[0].continue_()
    page.evaluate("fetch('/ready').then(() => new Promise(done => setTimeout(done, 500)))")
    expect(page.locator('[data-action="run"]')).to_be_disabled()


def test_an_error_leads_to_its_part(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")
    page.goto("/ui/#/canvas")
    text(page).fill(json.dumps({"chain": [task("add", 1), task("add", 1, 2)]}))
    expect(page.locator("[data-error]")).to_have_count(2)
    expect(row(page, "chain.0")).to_contain_text("takes 2, but is given 1")
    page.locator('[data-error="chain.1"] button').click()
    expect(row(page, "chain.1")).to_have_attribute("aria-selected", "true")


def test_a_run_is_copied_as_it_was_posted(page: Page, client: httpx.Client, worker: Process) -> None:
    first = task("flaky", kwargs={"times": 1}, retries=2, link_error=task("echo"))
    values: list[Any] = [None, True, 1.5e300, {"a": "it's\n\"한\\"}, []]
    last = {"group": [task("echo"), task("sleep", countdown=0.5)], "link": [task("finalize", 1)]}
    canvas = {"chain": [first, task("echo", values, immutable=True), last]}
    page.goto(f"/ui/#/runs/{start(client, canvas)}")
    page.locator('[data-action="copy-run"]').click()
    expect(text(page)).to_be_visible()
    again = client.post("/canvas/preview", json=shown(page)).json()
    assert again["code"] == client.post("/canvas/preview", json=canvas).json()["code"]


def test_a_canvas_is_run_by_keyboard(page: Page, client: httpx.Client, worker: Process) -> None:
    page.goto("/ui/#/jobs")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.locator('[data-action="run"]')).to_be_enabled()
    text(page).focus()
    page.keyboard.press("Control+Enter")
    expect_ended(page, "SUCCESS")
    expect(node(page, "finalize")).to_have_attribute("data-state", "SUCCESS")


def test_never_more_than_300_tasks_are_elements(page: Page, client: httpx.Client) -> None:
    lanes = [{"chain": [task("echo", number), *(task("echo") for _ in range(39))]} for number in range(20)]
    page.goto(f"/ui/#/canvas?{urlencode({'draft': json.dumps({'group': lanes})})}")
    tasks = page.locator("[data-graph] .node")
    expect(tasks.first).to_be_visible(timeout=15_000)
    page.get_by_role("application").focus()
    for _ in range(12):
        assert 1 <= tasks.count() <= 300
        page.keyboard.press("-")
    page.keyboard.press("0")
    expect(page.locator('.block[data-role="plan"]')).to_have_attribute("d", re.compile("(M[^M]*){800}"))
    assert tasks.count() <= 300
    page.keyboard.press("End")
    for _ in range(12):
        page.keyboard.press("+")
    expect(page.locator(".node.selected")).to_be_visible()
    assert tasks.count() <= 300
