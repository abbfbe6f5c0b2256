"""How tests find their way on the page, and make the jobs that it shows."""

import re
from typing import Any

import httpx2 as httpx
from playwright.sync_api import Locator, Page, expect

from tests.support import wait_for


def submit(client: httpx.Client, **request: Any) -> int:
    """Create a job; gives its number."""
    answer = client.post("/jobs", json=request)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["job_id"])


def until(client: httpx.Client, job: int, status: str) -> dict[str, Any]:
    """The job once it has this status."""

    def found() -> dict[str, Any] | None:
        now: dict[str, Any] = client.get(f"/jobs/{job}").json()
        return now if now["status"] == status else None

    return wait_for(found, what=f"{status} of job {job}")


def failed_job(client: httpx.Client, **request: Any) -> int:
    """A job that has failed at its second step."""
    params = {"step_seconds": 0, "fail_at_step": 2, "fail_times": 9}
    job = submit(client, params=params, max_attempts=1, **request)
    until(client, job, "FAILED")
    return job


def later_job(client: httpx.Client) -> int:
    """A job that waits for tomorrow."""
    return submit(client, delay_seconds=86_400)


def open_list(page: Page, query: str = "") -> None:
    """Open the list of jobs and wait until it is live."""
    page.goto(f"/ui/#/jobs{query}")
    expect_live(page)


def expect_live(page: Page) -> None:
    """The page's stream is connected and its first state is shown."""
    expect(page.locator(".live")).to_have_attribute("data-state", "live")


def row(page: Page, job: int) -> Locator:
    """The row of a job in the list."""
    return page.locator(f'tr[data-job-id="{job}"]')


def shown_ids(page: Page) -> list[int]:
    """The numbers of the rows that are drawn, from the top."""
    return [
        int(each) for each in page.locator("tr[data-job-id]").evaluate_all("rows => rows.map(r => r.dataset.jobId)")
    ]


def shown_states(page: Page) -> dict[int, str]:
    """The status of each row that is drawn."""
    found = page.locator("tr[data-job-id]").evaluate_all("rows => rows.map(r => [r.dataset.jobId, r.dataset.status])")
    return {int(job): status for job, status in found}


def expect_route(page: Page, route: str) -> None:
    """The page's address ends in this hash route."""
    expect(page).to_have_url(re.compile(f"{re.escape(route)}$"))


def press_korean(page: Page, code: str, key: str, **more: Any) -> None:
    """Press the key at this place of a keyboard whose layout is Korean."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchKeyEvent", {"type": "keyDown", "code": code, "key": key, **more})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", "code": code, "key": key, **more})
    session.detach()


def compose(page: Page, *stages: str) -> None:
    """Type with an input method: the text while it is composed, in stages. It is not yet accepted."""
    session = page.context.new_cdp_session(page)
    for text in stages:
        session.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    session.detach()
