"""Jobs are looked for by a text, and all that match are acted on."""

import re

import httpx2 as httpx
from playwright.sync_api import Page, expect
from sqlalchemy import text

from tests.browser.screens import expect_route, open_list, row, shown_ids, submit
from tests.browser.watch import Watch
from tests.support import transaction


def test_what_is_looked_for_is_in_the_address_and_all_of_it_can_be_cancelled(page: Page, client: httpx.Client) -> None:
    tagged = [submit(client, delay_seconds=3600, tags=["searched"], params={"fail_times": n}) for n in (1, 2, 2)]
    other = submit(client, delay_seconds=3600)
    open_list(page)
    expect(row(page, other)).to_be_visible()
    row(page, tagged[0]).get_by_role("link", name="searched").click()
    expect_route(page, "#/jobs?q=tag%3Asearched")
    expect(page.locator("tr[data-job-id]")).to_have_count(3)
    assert shown_ids(page) == tagged[::-1]
    box = page.get_by_role("combobox", name="Search jobs")
    expect(box).to_have_value("tag:searched")
    box.press("End")
    box.press_sequentially(" param.fail")
    expect(page.locator("datalist option").first).to_have_attribute("value", "tag:searched param.fail_at_step:")
    box.fill("tag:searched param.fail_times:2 status:PENDING")
    box.press("Enter")
    expect_route(page, "#/jobs?status=PENDING&q=tag%3Asearched+param.fail_times%3A2")
    matching = page.locator("[data-matching]")
    expect(matching.get_by_text("2 jobs match")).to_be_visible()
    # A saved link shows the same; what does not match does not come in.
    page.reload()
    expect(matching.get_by_text("2 jobs match")).to_be_visible()
    submit(client, delay_seconds=3600, tags=["searched"])
    newest = submit(client, delay_seconds=3600, tags=["searched"], params={"fail_times": 2})
    expect(row(page, newest)).to_be_visible()
    assert shown_ids(page) == [newest, tagged[2], tagged[1]]

    matching.get_by_role("button", name="All that match").click()
    page.get_by_role("menuitem", name="Cancel all that match").press("Enter")
    page.locator("[data-action=confirm]").click()
    expect(page.get_by_role("status")).to_contain_text("3 cancelled, 0 refused.")
    expect(matching.get_by_text("0 jobs match")).to_be_visible()
    assert {client.get(f"/jobs/{job}").json()["status"] for job in (newest, *tagged[1:])} == {"CANCELLED"}
    assert client.get(f"/jobs/{tagged[0]}").json()["status"] == "PENDING"
    page.get_by_role("combobox", name="Created").select_option(label="Last hour")
    expect_route(page, "#/jobs?status=PENDING&q=tag%3Asearched+param.fail_times%3A2+last%3A1h")


def test_how_many_match_is_said_again_after_an_outage(page: Page, watch: Watch, client: httpx.Client) -> None:
    watch.allow("net::ERR_FAILED")
    submit(client, delay_seconds=3600, tags=["searched"])
    page.clock.install()
    open_list(page, "?q=tag%3Asearched")
    matching = page.locator("[data-matching]")
    matching.get_by_role("button", name="All that match").click()
    page.get_by_role("menuitem", name="Cancel all that match").press("Enter")
    page.route(re.compile("/jobs/(actions|matching)"), lambda route: route.abort())
    page.locator("[data-action=confirm]").click()
    expect(matching).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.unroute_all()
    page.clock.fast_forward(11_000)
    expect(matching.get_by_text("1 job matches")).to_be_visible()


def test_errors_are_grouped_and_lead_to_their_jobs(page: Page, client: httpx.Client) -> None:
    ids = [submit(client, delay_seconds=3600, tags=["odd"]) for _ in range(3)]
    with transaction() as connection:
        fail = "UPDATE jobs SET status = 'FAILED', finished_at = now(), error = :error WHERE id = ANY(:ids)"
        connection.execute(text(fail), {"ids": ids[:2], "error": 'ValueError: "boom"'})
        connection.execute(text(fail), {"ids": ids[2:], "error": "KeyError: 7"})
    open_list(page, "?q=tag%3Aodd")
    group = page.get_by_role("button", name='ValueError: "boom"')
    expect(group).to_have_text(re.compile("^2 "))
    group.click()
    expect(page.locator("tr[data-job-id]")).to_have_count(2)
    assert shown_ids(page) == ids[:2][::-1]
    # The tags of a job are on its page, too.
    page.goto(f"/ui/#/jobs/{ids[0]}")
    page.get_by_role("main").get_by_role("link", name="odd").click()
    expect_route(page, "#/jobs?q=tag%3Aodd")


def test_a_search_in_vain_says_how_to_search(page: Page, client: httpx.Client) -> None:
    submit(client, delay_seconds=3600)
    open_list(page, "?q=param.customer")
    expect(page.locator("[data-empty]")).to_contain_text("Words alone are looked for in the error")
    page.get_by_role("link", name="Clear filters").last.click()
    expect(page.locator("[data-empty]")).to_have_count(0)
