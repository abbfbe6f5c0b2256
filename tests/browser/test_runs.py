"""The list of runs and the page of one: verdict, picture, outline, time line, and what can be done."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import redis
from playwright.sync_api import BrowserContext, Page, Route, expect

from background.settings import get_settings
from tests.browser.canvases import expect_ended, node, open_run, start, task
from tests.browser.test_connection import api_at
from tests.browser.watch import Watch
from tests.support import Process, free_port, wait_for

BROKEN = {"chord": {"header": [task("add", 1, 2), task("fail", "no such file")], "body": task("xsum")}}

# Every state that a task is ever shown in, with the number of the change, by the place of its node in the run.
RECORD = """
  window.seen = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) window.seen.push([target.dataset.id, target.dataset.state]);
  }).observe(document, { subtree: true, attributeFilter: ["data-state"] });
"""


def test_a_nested_canvas_colours_in_order(page: Page, client: httpx.Client, worker: Process) -> None:
    page.add_init_script(RECORD)
    pair = {"group": [{"chain": [task("sleep", 0.3), task("echo")]}, task("sleep", 0.6)]}
    run = start(client, {"chain": [task("sleep", 0.3), task("finalize"), task("sleep", 0.2, immutable=True)]})
    open_run(page, run)
    expect_ended(page, "SUCCESS")
    run = start(client, {"chain": [{"group": pair["group"]}, task("finalize"), task("echo")]})
    open_run(page, run)
    expect_ended(page, "SUCCESS")
    expect(page.locator('.node[data-state="SUCCESS"]')).to_have_count(5)
    expect(page.locator(".stem")).to_have_attribute("data-state", "released")
    graph = client.get(f"/result/{run}").json()["graph"]
    seen: list[list[str]] = page.evaluate("window.seen")
    first = {(id_, state): place for place, (id_, state) in reversed(list(enumerate(seen)))}
    for before, after in graph["edges"]:
        assert first[before, "SUCCESS"] < first.get((after, "STARTED"), first[after, "SUCCESS"])


def test_a_failed_header_tells_why_the_body_did_not_run(page: Page, client: httpx.Client, worker: Process) -> None:
    open_run(page, start(client, BROKEN))
    expect_ended(page, "FAILURE")
    expect(page.locator("[data-verdict]")).to_contain_text("So xsum, the callback of its chord, did not run")
    expect(page.locator(".stem")).to_have_count(1)
    expect(page.locator(".stem")).to_have_attribute("data-state", "cut")
    expect(node(page, "xsum")).to_have_attribute("data-state", "SKIPPED")
    node(page, "xsum").click()
    expect(page.locator("[data-inspector]")).to_contain_text("fail in its header failed, so it never ran")
    page.locator("[data-action=culprit]").press("Enter")
    expect(page.locator("[data-inspector] h2")).to_be_focused()
    expect(page.locator("[data-inspector] h2")).to_have_text("fail")
    page.locator(".cut").click()
    expect(node(page, "fail")).to_have_class(re.compile("selected"))
    expect(page.locator("[data-inspector]")).to_contain_text("RuntimeError: no such file")
    culprit = page.locator(".cut").get_attribute("data-culprit")
    expect(page).to_have_url(re.compile(f"node={culprit}"))
    page.reload()
    expect(page.locator("[data-inspector]")).to_contain_text("RuntimeError: no such file")


def test_nothing_more_is_asked_of_a_run_that_has_ended(page: Page, client: httpx.Client, worker: Process) -> None:
    run = start(client, BROKEN)
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="the end of the run")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_run(page, run)
    expect_ended(page, "FAILURE")
    expect(page.locator(".live")).to_be_hidden()
    assert len([url for url in asked if url.endswith("/events")]) == 1


def test_retry_what_failed_completes_it(page: Page, client: httpx.Client, worker: Process) -> None:
    late = f"{uuid4()}.txt"
    header = [task("echo", "kept"), task("extract", late)]
    open_run(page, start(client, {"chord": {"header": header, "body": task("finalize")}}))
    expect_ended(page, "FAILURE")
    client.post("/documents", files={"file": (late, b"It has come.")})
    page.locator('[data-action="retry"]').click()
    expect_ended(page, "SUCCESS")
    expect(page.locator(".cut")).to_have_count(0)
    expect(page.locator('[data-action="retry"]')).to_be_hidden()
    expect(page.locator(".node")).to_have_count(3)


def test_a_retried_run_is_followed_though_its_new_id_is_read_before_the_answer_comes(
    page: Page, watch: Watch, client: httpx.Client, worker: Process
) -> None:
    watch.allow("status of 503")
    late, held = f"{uuid4()}.txt", list[Route]()
    old = start(client, {"chain": [task("extract", late), task("sleep", 2, immutable=True)]})
    wait_for(lambda: client.get(f"/result/{old}").json()["ready"], what="its end")

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/events", lambda route: route.fulfill(status=503), times=1)
    page.route(f"**/result/{old}", hold, times=1)  # which is read because there is no stream
    open_run(page, old)
    expect_ended(page, "FAILURE")  # as was read with the next stream, which is over
    client.post("/documents", files={"file": (late, b"It has come.")})
    page.route("**/retry", hold)
    page.locator('[data-action="retry"]').click()
    wait_for(lambda: page.title() and len(held) == 2, what="the retry")
    snapshot, retry = held
    answer = retry.fetch()
    snapshot.continue_()
    expect(page.locator("article.run")).not_to_have_attribute("data-run", old)
    retry.fulfill(response=answer)
    expect_ended(page, "SUCCESS")


def test_a_retried_run_is_followed_under_its_new_id(page: Page, client: httpx.Client, worker: Process) -> None:
    old = start(client, {"chain": [task("fail", "again"), task("echo")]})
    open_run(page, old)
    expect_ended(page, "FAILURE")
    page.locator('[data-action="retry"]').click()
    expect(page.locator("article.run")).not_to_have_attribute("data-run", old)
    expect_ended(page, "FAILURE")
    new = client.get(f"/result/{old}").json()["task_id"]
    expect(page).to_have_url(re.compile(f"#/runs/{new}"))
    expect(page.locator(".node")).to_have_count(2)
    page.goto(f"/ui/#/runs/{old}")
    expect(page.locator("article.run")).to_have_attribute("data-run", new)


def test_a_run_is_deleted(page: Page, watch: Watch, client: httpx.Client, worker: Process) -> None:
    watch.allow("status of 404")
    run = start(client, task("add", 1, 2))
    open_run(page, run)
    expect_ended(page, "SUCCESS")
    page.locator('[data-action="delete"]').click()
    page.locator('[data-action="confirm"]').click()
    expect(page.get_by_role("status")).to_contain_text("The run is deleted.")
    expect(page.locator("tr[data-run]").first.or_(page.locator("[data-empty]"))).to_be_visible()
    expect(page.locator(f'tr[data-run="{run}"]')).to_have_count(0)
    page.goto(f"/ui/#/runs/{run}")
    expect(page.locator("[data-empty]")).to_contain_text("There is no such run")


def test_a_task_that_waits_for_its_countdown_says_until_when(page: Page, client: httpx.Client, worker: Process) -> None:
    run = start(client, {"chain": [task("echo", 1, countdown=1800), task("echo")]})
    open_run(page, run)
    expect(page.locator("[data-verdict]")).to_contain_text("is not due before")
    expect(page.locator("[data-action=cancel]")).to_be_visible()
    expect(page.locator("[data-action=terminate]")).to_be_hidden()  # Nothing runs that could be killed.
    expect(page.locator(".node .node-detail").first).to_contain_text("due ")
    page.locator(".node").first.click()
    expect(page.locator("[data-inspector]")).to_contain_text("It is not due before")
    client.post(f"/result/{run}/cancel").raise_for_status()


def test_korean_says_what_the_facts_say(
    new_context: Callable[..., BrowserContext], client: httpx.Client, worker: Process
) -> None:
    page = new_context(locale="ko-KR").new_page()
    open_run(page, start(client, BROKEN))
    expect_ended(page, "FAILURE")
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_contain_text("그래서 chord의 콜백이 실행되지 않았습니다: xsum")
    expect(verdict).not_to_have_attribute("lang", "en")


def test_a_refusal_shows_its_reason_and_the_present_state(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 409")
    run = start(client, task("sleep", 0.1, countdown=60))
    open_run(page, run)
    page.keyboard.press("p")
    expect(page.locator(".live")).to_have_attribute("data-state", "paused")
    expect(page.locator('[data-action="copy-link"]')).to_be_visible()
    client.post(f"/result/{run}/cancel").raise_for_status()
    page.locator('[data-action="cancel"]').click()
    expect(page.get_by_role("status")).to_contain_text("cannot be cancelled")
    page.keyboard.press("p")
    expect(page.locator("article.run")).to_have_attribute("data-status", "REVOKED")
    expect(page.get_by_role("status")).to_contain_text("cannot be cancelled")


def test_a_wide_group_folds_and_shows_its_failure(page: Page, client: httpx.Client, worker: Process) -> None:
    header = [task("fail", "one of them") if number == 777 else task("add", number, 1) for number in range(999)]
    open_run(page, start(client, {"chord": {"header": header, "body": task("xsum")}}))
    failed = page.locator('.node[data-state="FAILURE"]')
    expect(failed).to_be_visible(timeout=60_000)
    expect(page.locator(".tile-lane").first).to_have_text("#778")
    assert page.locator(".node").count() <= 300
    expect(page.locator("article.run")).to_have_attribute("data-status", "FAILURE", timeout=60_000)
    page.locator('[data-action="lanes"]').click()
    rows = page.get_by_role("treeitem")
    expect(rows.first).to_be_visible()
    assert rows.count() < 120
    page.keyboard.press("End")
    expect(page.locator('[role="treeitem"]', has_text="xsum")).to_be_focused()
    page.keyboard.press("f")
    expect(page.locator('[role="treeitem"][data-state="FAILURE"]')).to_be_visible()


def test_the_graph_and_the_outline_by_keyboard(page: Page, client: httpx.Client, worker: Process) -> None:
    open_run(page, start(client, BROKEN))
    expect_ended(page, "FAILURE")
    chosen = page.locator(".node.selected .node-task")
    page.get_by_role("application").focus()
    for key, name in (("ArrowUp", "add"), ("ArrowRight", "xsum"), ("ArrowLeft", "fail"), ("End", "xsum")):
        page.keyboard.press(key)
        expect(chosen).to_have_text(name)
    width = page.locator(".graph-sheet")
    before = width.get_attribute("width")
    page.keyboard.press("+")
    expect(width).not_to_have_attribute("width", str(before))
    page.keyboard.press("0")
    expect(width).to_have_attribute("width", str(before))
    page.get_by_role("button", name="Outline").click()
    page.locator('[role="treeitem"][tabindex="0"]').focus()
    page.keyboard.press("Home")
    expect(page.locator('[role="treeitem"][data-kind="chord"]')).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator('[role="treeitem"][aria-level="3"]').first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator('[role="treeitem"][aria-expanded="false"]')).to_have_text(re.compile("chord header"))
    expect(page.get_by_role("treeitem")).to_have_count(3)
    page.get_by_role("button", name="Time line").click()
    expect(page.locator("[data-timeline] button")).to_have_count(3)


def test_a_run_is_cancelled(page: Page, client: httpx.Client, worker: Process) -> None:
    run = start(client, {"chain": [task("sleep", 30), task("echo"), task("echo")]})
    open_run(page, run)
    expect(node(page, "sleep")).to_have_attribute("data-state", "STARTED")
    page.locator('[data-action="cancel"]').click()
    expect(page.locator("[data-verdict]")).to_contain_text("sleep may still finish")
    expect(page.locator('.node[data-state="REVOKED"]')).to_have_count(2)
    expect(page.locator('[data-action="cancel"]')).to_be_hidden()
    # So it is said by a page that has not asked for it, in the list as well.
    page.goto("/ui/#/runs")
    expect(page.locator(f'[data-run="{run}"]')).to_contain_text("Cancelling…")
    page.reload()
    expect(page.locator(f'[data-run="{run}"]')).to_contain_text("Cancelling…")
    open_run(page, run)
    expect(page.locator(".head .badge")).to_have_text("Cancelling…")
    expect(page.locator('[data-action="cancel"]')).to_be_hidden()
    page.locator('[data-action="terminate"]').click()
    expect_ended(page, "REVOKED")
    assert not client.get(f"/result/{run}").json()["cancel_requested"]
    expect(page.locator('[data-action="terminate"]')).to_be_hidden()


def test_a_run_that_was_left_draws_over_no_other_page(page: Page, client: httpx.Client, worker: Process) -> None:
    run = start(client, task("add", 1, 2))
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="the end of the run")
    held: list[Route] = []
    page.route(f"**/result/{run}", lambda route: held.append(route))  # noqa: PLW0108  (playwright wants a function)
    page.goto(f"/ui/#/runs/{run}")

    def is_read() -> bool:
        page.wait_for_timeout(20)
        return bool(held)

    wait_for(is_read, what="a read that is on its way")
    page.goto("/ui/#/canvas?example=header-fails")
    expect(page.locator(".findings")).to_be_visible()
    with page.expect_response(f"**/result/{run}"):
        for each in held:
            each.continue_()
    page.wait_for_function("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(page.locator(".findings")).to_be_visible()
    expect(page.locator("[data-run]")).to_have_count(0)


def test_what_an_event_announced_is_read_until_it_is_there(
    page: Page, watch: Watch, client: httpx.Client, worker: Process
) -> None:
    """An event leaves out what is large; the API refuses to be asked for it until no other event can come."""
    watch.allow("status of 503")
    run = start(client, {"chain": [task("sleep", 3), task("echo", "long" * 5_000, immutable=True)]})
    open_run(page, run)
    page.route(f"**/result/{run}", lambda route: route.fulfill(status=503, json={"detail": "PostgreSQL is away"}))
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="the end of the run")
    page.wait_for_timeout(1500)  # the last event has come, and nothing more will
    page.unroute(f"**/result/{run}")
    expect_ended(page, "SUCCESS")


def test_what_the_broker_has_lost_is_shown(page: Page, client: httpx.Client, worker: Process) -> None:
    run = start(client, task("echo", 1, countdown=600))
    open_run(page, run)
    expect(page.locator("article.run")).to_have_attribute("data-status", "PENDING")
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.flushall()
    expect_ended(page, "FAILURE")
    expect(page.locator("[data-verdict]")).to_contain_text("lost")


def test_after_a_restart_of_the_api_the_run_is_exact(
    new_context: Callable[..., BrowserContext], watch: Watch, client: httpx.Client, worker: Process, tmp_path: Path
) -> None:
    watch.allow_unreachable()
    port = free_port()
    page = new_context(base_url=f"http://127.0.0.1:{port}").new_page()
    with api_at(port, tmp_path / "first.log"):
        run = start(client, {"chain": [task("sleep", 10), task("echo"), task("echo")]})
        open_run(page, run)
        expect(node(page, "sleep")).to_have_attribute("data-state", "STARTED")
    expect(page.locator(".live")).to_contain_text("Reconnecting")
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="the end of the run")
    expect(node(page, "sleep")).to_have_attribute("data-state", "STARTED")
    with api_at(port, tmp_path / "second.log"):
        expect(page.locator("article.run")).to_have_attribute("data-status", "SUCCESS", timeout=45_000)
        expect(page.locator('.node[data-state="SUCCESS"]')).to_have_count(3)
        expect(page.locator(".node")).to_have_count(3)


def test_the_list_follows_and_filters(page: Page, client: httpx.Client, worker: Process) -> None:
    page.goto("/ui/#/runs?type=chord")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    run = client.post("/chord").json()["task_id"]
    row = page.locator(f'tr[data-run="{run}"]')
    expect(row).to_have_attribute("data-status", "SUCCESS")
    expect(row).to_contain_text("All 3 tasks succeeded.")
    other = client.post("/group").json()["task_id"]
    page.locator('select[name="type"]').select_option("")
    expect(page.locator(f'tr[data-run="{other}"]')).to_be_visible(timeout=15_000)
    page.locator('[data-filter="FAILURE"]').click()
    expect(page.locator(f'tr[data-run="{run}"]')).to_have_count(0)
    page.go_back()
    expect(row).to_be_visible()
    row.get_by_role("link").click()
    expect(page.locator("article.run")).to_have_attribute("data-run", run)


def test_a_name_leaves_out_no_single_task_and_a_beginning_is_legible(
    page: Page, client: httpx.Client, worker: Process
) -> None:
    long = start(client, task("echo", "긴 결과 " * 400))
    run = start(client, {"chain": [task("echo", 1), task("echo"), task("echo"), task("finalize")]})
    page.goto(f"/ui/#/runs/{run}")
    expect(page.get_by_role("heading", level=1)).to_have_text("echo | echo | echo | finalize")
    expect_ended(page, "SUCCESS")
    page.goto("/ui/#/runs")
    row = page.locator(f'tr[data-run="{long}"]')
    expect(row).to_contain_text('Result, its beginning: "긴 결과 긴 결과')


def test_any_id_leads_to_its_run(page: Page, watch: Watch, client: httpx.Client, worker: Process) -> None:
    run = start(client, BROKEN)
    member = client.get(f"/result/{run}").json()["graph"]["nodes"][1]["id"]
    page.goto(f"/ui/#/runs/{member}")
    expect(page.locator("article.run")).to_have_attribute("data-run", run)
    expect(page.locator("[data-inspector]")).to_contain_text(member)
    job = client.post("/jobs", json={"delay_seconds": 600}).json()
    page.goto(f"/ui/#/runs/{job['task_id']}")
    expect(page.locator(f'[data-job-id="{job["job_id"]}"]')).to_be_visible()
    watch.allow("status of 404")
    page.goto(f"/ui/#/runs/{uuid4()}")
    expect(page.locator("[data-empty]")).to_contain_text("There is no such run")
