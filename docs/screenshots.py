"""`python -m docs.screenshots`: takes the pictures in docs/screenshots anew, from a real stack with telling jobs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2 as httpx
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from tests.browser.canvases import start, task
from tests.browser.chromium import CHROMIUM, NO_CHROMIUM
from tests.support import ROOT, running_api, running_worker, wait_for
from tests.throwaway import throwaway_servers

TARGET = ROOT / "docs" / "screenshots"
WIDE: ViewportSize = {"width": 1280, "height": 720}
PHONE: ViewportSize = {"width": 380, "height": 780}


def main() -> None:
    """Start everything, fill it, take the pictures, stop."""
    if CHROMIUM is None:
        sys.exit(NO_CHROMIUM)
    with throwaway_servers() as scratch, stack(scratch) as client, sync_playwright() as playwright:
        failed = make_run(client)
        retried = make_jobs(client)
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        take_all(browser, str(client.base_url), retried=retried, failed=failed)
        browser.close()


@contextmanager
def stack(scratch: Path) -> Iterator[httpx.Client]:
    """An hour of past jobs, the API, two workers with room for three jobs in all, and one that was killed."""
    from tests.browser.traffic import fill

    fill(1200, seconds_apart=3)
    one = running_worker(scratch / "one.log", "--pool=threads", "--concurrency=2", "--hostname=celery@one")
    two = running_worker(scratch / "two.log", "--pool=threads", "--concurrency=1", "--hostname=celery@two")
    with running_api(scratch / "api.log") as client, one, two:
        with running_worker(scratch / "three.log", "--pool=solo", "--hostname=celery@three") as three:
            wait_for(lambda: len(client.get("/workers").json()) == 3, what="the third worker")
            three.kill()
        yield client


def make_jobs(client: httpx.Client) -> int:
    """Jobs that ended well, failed, were retried, are running or waiting; gives the one that was retried."""
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
    wait_for(lambda: "lost" in [worker["status"] for worker in client.get("/workers").json()], what="the lost worker")
    return retried


def submit(client: httpx.Client, **request: Any) -> int:
    """Create a job; gives its number."""
    answer = client.post("/jobs", json=request)
    answer.raise_for_status()
    return int(answer.json()["job_id"])


def until(client: httpx.Client, job: int, status: str) -> None:
    """Wait until the job has this status."""
    wait_for(lambda: client.get(f"/jobs/{job}").json()["status"] == status, what=f"{status} of job {job}")


def make_run(client: httpx.Client) -> str:
    """A run in which one lane of a chord's header fails; gives its id."""
    lane = {"chain": [task("add", 1, 2), task("multiply", 10)]}
    broken = {"chain": [task("echo", "report.pdf"), task("extract")]}
    header = [lane, broken, task("flaky", 1, retries=2)]
    run = start(client, {"chord": {"header": header, "body": {"chain": [task("finalize"), task("echo")]}}})
    wait_for(lambda: client.get(f"/result/{run}").json()["ready"], what="the end of the run")
    return run


def take_all(browser: Browser, base_url: str, *, retried: int, failed: str) -> None:
    """Each screen in both colour schemes, wide and on a phone."""
    TARGET.mkdir(exist_ok=True)
    screens = {
        "jobs": ("#/jobs", "tr[data-status=IN_PROGRESS]"),
        "job": (f"#/jobs/{retried}?step=2&try=3", "[data-step]"),
        "submit": ("#/jobs/new", "dialog [data-field=step_seconds]"),
        "run": (f"#/runs/{failed}", ".cut, [role=treeitem]"),
        "canvas": ("#/canvas?example=header-fails", "[data-warning]"),
        "system": ("#/system", "[data-worker]"),
    }
    schemes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
    for scheme in schemes:
        for size, viewport in (("wide", WIDE), ("phone", PHONE)):
            for name, (route, ready) in screens.items():
                page = browser.new_page(base_url=base_url, viewport=viewport, color_scheme=scheme, locale="en-US")
                page.goto(f"/ui/{route}")
                page.locator(ready).first.wait_for()
                page.wait_for_timeout(500)  # what fades in has done so
                page.screenshot(path=TARGET / f"{name}-{size}-{scheme}.png", animations="disabled")
                page.close()


if __name__ == "__main__":
    main()
