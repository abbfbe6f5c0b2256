"""`python -m docs.screenshots`: takes the pictures in docs/screenshots anew, from a real stack with telling jobs."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2 as httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support import ROOT, running_api, running_worker, wait_for
from tests.throwaway import throwaway_servers

TARGET = ROOT / "docs" / "screenshots"
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 380, "height": 780}


def main() -> None:
    """Start everything, fill it, take the pictures, stop."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("The pictures need Chromium; on Debian: apt install chromium")
    with throwaway_servers() as scratch, stack(scratch) as client, sync_playwright() as playwright:
        telling = make_jobs(client)
        browser = playwright.chromium.launch(executable_path=chromium)
        take_all(browser, str(client.base_url), telling)
        browser.close()


@contextmanager
def stack(scratch: Path) -> Iterator[httpx.Client]:
    """An hour of past jobs, the API and two workers with room for three jobs in all."""
    from tests.browser.traffic import fill

    fill(1200, seconds_apart=3)
    options = ("--pool=threads", "--hostname=celery@one", "--concurrency=2")
    others = ("--pool=threads", "--hostname=celery@two", "--concurrency=1")
    one = running_worker(scratch / "one.log", *options)
    two = running_worker(scratch / "two.log", *others)
    with running_api(scratch / "api.log") as client, one, two:
        yield client


def make_jobs(client: httpx.Client) -> dict[str, int]:
    """Jobs that ended well, failed, were retried, are running or waiting; gives the numbers of those to be shown."""
    for name in ("why-queues.txt",):
        client.post("/documents", files={"file": (name, (ROOT / "data" / "samples" / name).read_bytes())})
    retried = submit(client, params={"step_seconds": 0.8, "fail_at_step": 2, "fail_times": 9}, max_attempts=2)
    failed = submit(client, params={"step_seconds": 0.6, "fail_at_step": 3, "fail_times": 9}, max_attempts=3)
    submit(client, pipeline="document", params={"document": "why-queues.txt"})
    for number in range(3):
        submit(client, params={"step_seconds": 0.3 + number / 10})
    until(client, retried, "FAILED")
    client.post(f"/jobs/{retried}/retry", json={"from_step": 2, "params": {"step_seconds": 1.2}})
    until(client, retried, "COMPLETED")
    until(client, failed, "FAILED")
    cancelled = submit(client, delay_seconds=600)
    client.post(f"/jobs/{cancelled}/cancel")
    submit(client, delay_seconds=3600, priority=9)
    pausing = submit(client, params={"step_seconds": 0.2, "fail_at_step": 2, "fail_times": 20}, max_attempts=20)
    wait_for(lambda: client.get(f"/jobs/{pausing}").json()["attempt"] > 4, seconds=60)
    running = [submit(client, params={"step_seconds": seconds}) for seconds in (14, 40, 60)]
    for job in running:
        until(client, job, "IN_PROGRESS")
    for _ in range(2):
        submit(client, params={"step_seconds": 5})
    wait_for(lambda: len(client.get(f"/jobs/{running[0]}").json()["steps"]) > 1, seconds=60)
    return {"retried": retried, "failed": failed, "running": running[0]}


def submit(client: httpx.Client, **request: Any) -> int:
    """Create a job; gives its number."""
    answer = client.post("/jobs", json=request)
    answer.raise_for_status()
    return int(answer.json()["job_id"])


def until(client: httpx.Client, job: int, status: str) -> None:
    """Wait until the job has this status."""
    wait_for(lambda: client.get(f"/jobs/{job}").json()["status"] == status, what=f"{status} of job {job}")


def take_all(browser: Browser, base_url: str, jobs: dict[str, int]) -> None:
    """Each screen in both colour schemes, wide and on a phone."""
    TARGET.mkdir(exist_ok=True)
    screens: dict[str, tuple[str, Callable[[Page], None]]] = {
        "jobs": ("#/jobs", lambda page: page.locator("[data-job-id]").first.wait_for()),
        "job": (f"#/jobs/{jobs['retried']}", lambda page: page.get_by_role("heading", level=1).wait_for()),
        "failed": (f"#/jobs/{jobs['failed']}", lambda page: page.get_by_role("heading", level=1).wait_for()),
        "submit": ("#/jobs/new", lambda page: page.get_by_role("dialog").wait_for()),
        "system": ("#/system", lambda page: page.get_by_role("heading", level=1).wait_for()),
    }
    schemes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
    for scheme in schemes:
        for size, viewport in (("wide", WIDE), ("phone", PHONE)):
            page = browser.new_page(base_url=base_url, viewport=viewport, color_scheme=scheme, locale="en-US")  # type: ignore[arg-type]
            for name, (route, ready) in screens.items():
                page.goto(f"/ui/{route}")
                ready(page)
                page.wait_for_timeout(1200)  # the clocks, bars and fades come to rest
                page.screenshot(path=TARGET / f"{name}-{size}-{scheme}.png", animations="disabled")
            page.close()


if __name__ == "__main__":
    main()
