"""Everything by keyboard alone, also with a Korean layout and its input method."""

import re

import httpx2 as httpx
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.canvases import start, task
from tests.browser.screens import (
    compose,
    expect_route,
    failed_job,
    later_job,
    open_list,
    press_korean,
    row,
    submit,
)
from tests.browser.traffic import begin, fill
from tests.browser.watch import Watch
from tests.support import Process

NAME = "메모.txt"


def test_submit_cancel_retry_and_delete(page: Page, client: httpx.Client, worker: Process) -> None:
    client.post("/documents", files={"file": (NAME, "할 일이 있다.".encode())})
    posts: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            posts.append(request.url)

    page.on("request", note)
    try:
        open_list(page)
        press_korean(page, "KeyN", "ㅜ")
        expect(page.locator('[data-field="pipeline"]')).to_be_focused()
        page.keyboard.press("d")
        page.keyboard.press("o")
        expect(page.locator('[data-field="document"]')).to_be_visible()
        while not page.locator('[data-field="document"]').evaluate("field => field === document.activeElement"):
            page.keyboard.press("Tab")
        compose(page, "메", "메모")
        page.keyboard.press("Enter")
        page.keyboard.insert_text(NAME)
        expect(page.locator('[data-field="document"]')).to_have_value(NAME)
        assert posts == []
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
    finally:
        client.delete(f"/documents/{NAME}")
    assert len(posts) == 1
    (job,) = client.get("/jobs").json()
    assert job["params"] == {"document": NAME}
    expect_route(page, f"#/jobs/{job['id']}")


def test_what_comes_late_does_not_break_off_what_is_composed(page: Page, client: httpx.Client) -> None:
    client.post("/documents", files={"file": (NAME, "할 일이 있다.".encode())})
    held: list[Route] = []
    page.route("**/documents", lambda route: held.append(route))  # noqa: PLW0108 (a builtin has no signature)
    try:
        page.goto("/ui/#/jobs/new")
        with page.expect_request("**/documents"):
            page.locator('[data-field="pipeline"]').select_option("document")
        field = page.locator('[data-field="document"]')
        field.focus()
        compose(page, "메")
        with page.expect_response("**/documents") as came:
            held[0].continue_()
        came.value.finished()
        compose(page, "메모")
        page.keyboard.insert_text("메모")
        expect(field).to_have_value("메모")
        expect(page.locator("datalist option", has_text="")).not_to_have_count(0)
    finally:
        client.delete(f"/documents/{NAME}")


def test_the_rows_are_walked_and_acted_upon(page: Page, client: httpx.Client, worker: Process) -> None:
    oldest, failed, later = failed_job(client), failed_job(client), later_job(client)
    open_list(page)
    expect(row(page, oldest)).to_be_visible()
    page.keyboard.press("j")
    expect(row(page, later).get_by_role("link").first).to_be_focused()
    page.keyboard.press("Shift+C")
    expect(row(page, later)).to_have_attribute("data-status", "CANCELLED")
    page.keyboard.press("f")
    expect(row(page, failed).get_by_role("link").first).to_be_focused()
    page.keyboard.press("Shift+R")
    expect(row(page, failed)).to_have_attribute("data-attempt", "2")
    expect(row(page, failed)).to_have_attribute("data-status", "FAILED")
    expect(row(page, failed).get_by_role("link").first).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog")).to_contain_text(f"Delete job {failed}?")
    page.keyboard.press("Enter")
    expect(row(page, failed)).to_have_count(0)
    expect(row(page, oldest).get_by_role("link").first).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("k")
    page.keyboard.press("Shift+X")
    expect(page.get_by_role("group", name="Selected jobs")).to_contain_text("2 selected")
    page.keyboard.press("Escape")
    expect(page.get_by_role("group", name="Selected jobs")).to_have_count(0)
    page.keyboard.press("Enter")
    expect_route(page, f"#/jobs/{later}")


def test_sections_help_and_the_jump_box(page: Page, client: httpx.Client) -> None:
    job = submit(client)
    open_list(page)
    press_korean(page, "KeyG", "ㅎ")
    press_korean(page, "KeyS", "ㄴ")
    expect_route(page, "#/system")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type(str(job))
    page.keyboard.press("Enter")
    expect_route(page, f"#/jobs/{job}")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Shift+Slash")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.get_by_role("checkbox", name="Shortcuts are on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.keyboard.press("Shift+Slash")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_route(page, f"#/jobs/{job}")


def test_the_task_id_of_a_job_leads_to_it(page: Page, client: httpx.Client) -> None:
    job = submit(client)
    open_list(page)
    page.get_by_role("searchbox").fill(client.get(f"/jobs/{job}").json()["task_id"])
    page.keyboard.press("Enter")
    expect_route(page, f"#/jobs/{job}")


def test_the_skip_link_leads_to_the_heading(page: Page, client: httpx.Client) -> None:
    open_list(page)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_what_goes_away_when_it_is_pressed_hands_its_focus_on(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 404")
    jobs = [later_job(client) for _ in range(3)]
    heading = page.get_by_role("heading", level=1)

    def press(action: str, route: str = "") -> None:
        if route:
            page.goto(f"/ui/{route}")
        page.locator(f'main [data-action="{action}"]').press("Enter")

    press("cancel", f"#/jobs/{jobs[0]}")
    expect(page.locator('[data-action="cancel"]')).to_be_hidden()
    expect(heading).to_be_focused()
    for route in ("#/jobs?status=PENDING", "#/runs?status=FAILURE"):
        press("clear", route)
        expect(page.locator('main [data-action="clear"]')).to_be_hidden()
        expect(heading).to_be_focused()
    open_list(page)
    row(page, jobs[1]).get_by_role("checkbox").check()
    press("select-loaded")
    expect(page.locator('[data-action="select-none"]')).to_be_focused()
    press("select-none")
    expect(heading).to_be_focused()
    press("delete", f"#/jobs/{jobs[0]}")
    client.delete(f"/jobs/{jobs[0]}").raise_for_status()
    expect(page.locator("[data-empty]")).to_be_attached()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(heading).to_be_focused()


def test_what_is_drawn_anew_keeps_the_focus_near(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 503")
    fill(120)
    open_list(page)
    page.locator('[data-action="older"]').focus()  # Who comes to the end reads on, and the button goes.
    expect(page.locator(".list-foot span")).to_be_focused()
    problem = {"title": "Service Unavailable", "status": 503, "detail": "Away.", "code": "database_down", "values": {}}
    page.route(re.compile(r"//[^/]+/(?!ui/)"), lambda route: route.fulfill(status=503, json=problem))
    again = page.locator('[data-banner="down"]').get_by_role("button")
    again.focus()
    page.unroute_all()
    again.press("Enter")
    expect(again).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    moving = begin()
    page.goto(f"/ui/#/jobs/{moving.job_id}")
    term = page.locator("[data-sentence] .term")
    term.press("Enter")
    while moving.end_step():
        pass
    expect(page.locator("[data-sentence]")).to_contain_text("All 3 steps completed")
    page.keyboard.press("Escape")
    expect(term).to_be_focused()


def test_what_arrives_takes_no_focus_from_elsewhere(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 404")
    job = later_job(client)
    run = start(client, task("add", 1, 2))
    held: list[Route] = []
    slow = True

    def keep(route: Route) -> None:
        if slow:
            held.append(route)
        else:
            route.continue_()

    page.route(re.compile(rf"/(jobs|result)/({job}|{job + 1000}|{run})$|/(schedules|pipelines)\b"), keep)
    for route in (f"#/jobs/{job}", f"#/runs/{run}", "#/schedules", "#/pipelines/demo", f"#/jobs/{job + 1000}"):
        slow = True
        page.goto("about:blank")
        held.clear()
        page.goto(f"/ui/{route}")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox").first).to_be_focused()
        page.keyboard.type("12")
        slow = False
        while held:
            held.pop().continue_()
        expect(page.locator(".job, [data-empty]").first).to_be_visible()
        page.keyboard.type("34")
        expect(page.get_by_role("searchbox").first, route).to_have_value("1234")
