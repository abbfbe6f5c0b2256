"""The form for a new job is made from the pipeline's own schema, and keeps what was typed when it is refused."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.screens import expect_route, open_list, row
from tests.browser.watch import Watch
from tests.support import ROOT, Process, running_api


def open_form(page: Page) -> Locator:
    """Open the dialog for a new job from the list."""
    open_list(page)
    page.get_by_role("button", name="New job").first.click()
    dialog = page.get_by_role("dialog", name="New job")
    expect(dialog.locator('[data-field="pipeline"]')).to_be_focused()
    return dialog


def test_a_job_is_made_by_the_form(page: Page, client: httpx.Client, worker: Process) -> None:
    form = open_form(page)
    form.get_by_label("step_seconds").fill("0.25")
    form.get_by_text("Priority, delay, attempts").click()
    form.get_by_label("Priority", exact=True).fill("7")
    form.locator('[data-action="submit"]').click()
    expect(page.get_by_role("status")).to_contain_text("submitted")
    (job,) = client.get("/jobs").json()
    assert (job["params"]["step_seconds"], job["priority"], job["pipeline"]) == (0.25, 7, "demo")
    expect_route(page, f"#/jobs/{job['id']}")
    page.mouse.move(0, 0)  # over the table it would hold back new rows
    page.go_back()
    expect(row(page, job["id"])).to_have_attribute("data-status", "COMPLETED")


def test_a_refused_form_says_where_and_keeps_what_was_typed(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("status of 422")
    form = open_form(page)
    form.get_by_label("fail_at_step").fill("9")
    form.get_by_label("fail_times").fill("4")
    form.locator('[data-action="submit"]').click()
    wrong = form.get_by_label("fail_at_step")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_be_focused()
    expect(form.locator(".field-error:visible").first).to_contain_text("less than or equal to 3")
    expect(form.get_by_label("fail_times")).to_have_value("4")
    assert client.get("/jobs").json() == []
    wrong.fill("3")
    form.locator('[data-action="submit"]').click()
    expect(form).to_have_count(0)
    assert client.get("/jobs").json()[0]["params"]["fail_at_step"] == 3


def test_json_and_form_are_two_views_of_one_thing(page: Page, client: httpx.Client) -> None:
    form = open_form(page)
    form.get_by_label("fail_times").fill("5")
    form.locator('[data-tab="json"]').click()
    text = form.locator('textarea[data-field="params"]')
    assert json.loads(text.input_value())["fail_times"] == 5
    text.fill("{broken")
    form.locator('[data-tab="form"]').click()
    expect(form.get_by_role("alert")).to_be_visible()
    text.fill('{"fail_times": 6}')
    form.locator('[data-tab="form"]').click()
    expect(form.get_by_label("fail_times")).to_have_value("6")


def test_the_same_request_as_curl_makes_the_same_job(page: Page, client: httpx.Client) -> None:
    form = open_form(page)
    form.get_by_label("fail_times").fill("5")
    form.get_by_text("As a curl command").click()
    words = shlex.split(form.get_by_role("group", name="curl").inner_text())
    assert words[:3] == ["curl", "-X", "POST"]
    assert words[3] == f"{client.base_url}/jobs" or words[3] == f"{str(client.base_url).rstrip('/')}/jobs"
    body = words[words.index("-d") + 1]
    made = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
    assert client.get(f"/jobs/{made.json()['job_id']}").json()["params"]["fail_times"] == 5


def test_a_double_click_makes_one_job(page: Page, client: httpx.Client) -> None:
    form = open_form(page)
    form.locator('[data-action="submit"]').dblclick()
    expect(form).to_have_count(0)
    assert len(client.get("/jobs").json()) == 1


PIPELINES = """
from enum import StrEnum

from pydantic import Field

from background.base.strict import Strict
from background.jobs.pipeline import Params, Pipeline


class Region(StrEnum):
    EU = "eu"
    US = "us"


class Address(Strict):
    street: str
    number: int = 1


class OrderParams(Params):
    region: Region
    fallback: Region = Region.EU
    items: list[int] = Field(default_factory=list)
    address: Address | None = None


order = Pipeline("order", OrderParams, "")


@order.step
def take_the_order_and_everything_that_comes_with_it_from_the_customer(context, params):
    return None
"""


LARGE = 1234567890123456789
"""JavaScript's own numbers would make 1234567890123456800 of it."""


def test_choices_lists_and_objects_can_be_submitted(
    new_context: Callable[..., BrowserContext], client: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "orders.py").write_text(PIPELINES)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with running_api(tmp_path / "api.log", env={"PIPELINES": "orders", "PYTHONPATH": path}) as api:
        page = new_context(base_url=str(api.base_url)).new_page()
        page.goto("/ui/#/jobs/new")
        form = page.get_by_role("dialog", name="New job")
        expect(form.get_by_label("region")).to_contain_text("choose…")
        expect(form.get_by_label("fallback").locator("option").first).to_have_text("default: eu")
        expect(form).to_contain_text("a list as JSON, such as [1]")
        expect(form).to_contain_text('an object as JSON, such as {"street":"text","number":1}')
        form.get_by_label("region").select_option("us")
        form.get_by_label("items").fill(f"[1, {LARGE}]")
        form.get_by_label("address").fill('{"street": "High Street"}')
        form.locator('[data-action="submit"]').click()
        expect(form).to_have_count(0)
        job = api.get("/jobs").json()[0]
        expect_route(page, f"#/jobs/{job['id']}")  # Where the page goes by itself now.
        body = {"name": "often", "pipeline": "order", "params": job["params"], "every_seconds": 9000}
        schedule = f"/schedules/{api.post('/schedules', json=body).raise_for_status().json()['id']}"
        page.goto(f"/ui/#{schedule}")
        page.locator("[data-action=edit]").click()
        page.locator("[data-field=every_seconds]").fill("900")
        page.locator("[data-action=submit]").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        changed = api.get(schedule).json()
        api.delete(schedule).raise_for_status()
        assert (changed["every_seconds"], changed["params"]) == (900, job["params"])
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto("/ui/#/pipelines/order")
        expect(page.locator("[data-param=address]")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        page.close()
    address = {"street": "High Street", "number": 1}
    assert job["params"] == {"region": "us", "fallback": "eu", "items": [1, LARGE], "address": address}
