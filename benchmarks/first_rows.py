"""How long the list of jobs takes to show its first row through a slow network: packed, and as its sources are."""

import contextlib
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.chromium import CHROMIUM, NO_CHROMIUM
from tests.browser.traffic import fill
from tests.support import running_api

JOBS = 200
ROUNDS = 5
NETWORK = {"offline": False, "latency": 100, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8}
"""10 Mbit/s, and 100 ms for each request."""
SERVED = {"packed": "false", "sources": "true"}


def main(scratch: Path) -> None:
    """Print the medians of each, in turns, for a visitor who comes for the first time and for one who comes again."""
    if CHROMIUM is None:
        print(f"first_rows  {NO_CHROMIUM}")
        return
    fill(JOBS)
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM)
        stack.callback(browser.close)
        addresses = {
            name: str(stack.enter_context(running_api(scratch / f"{name}.log", env={"WEB_SOURCES": said})).base_url)
            for name, said in SERVED.items()
        }
        found = measure(browser, addresses, rounds=ROUNDS)
    print(f"first_rows  {ROUNDS} rounds, 10 Mbit/s and 100 ms for each request; medians in s")
    for name, times in found.items():
        cold, warm = (median(each) for each in zip(*times, strict=True))
        print(f"  {name:10} cold {cold:.2f}   warm {warm:.2f}")


def measure(browser: Browser, addresses: dict[str, str], *, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """For each address the seconds with an empty cache, and with what the first visit left there."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in addresses}
    for _ in range(rounds):
        for name, address in addresses.items():
            context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
            found[name].append((first_row(context), first_row(context)))
            context.close()
    return found


def first_row(context: BrowserContext) -> float:
    """The seconds until a page that is opened now shows a job."""
    page = context.new_page()
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", NETWORK)
    begun = time.perf_counter()
    page.goto("/ui/#/jobs", wait_until="commit")
    page.locator("[data-job-id]").first.wait_for()
    took = time.perf_counter() - begun
    # The rest of it goes into the cache as well.
    page.wait_for_timeout(2000)
    page.close()
    return took
