"""The page of an application that was made without some parts, below a prefix of somebody else's."""

import sys
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
from playwright.sync_api import BrowserContext, expect

from tests.browser.screens import submit, until
from tests.support import Process, free_port


def test_what_is_not_there_is_not_offered(
    new_context: Callable[..., BrowserContext], client: httpx.Client, worker: Process, tmp_path: Path
) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "tests.acceptance.own_product:app", "--port", str(port)]
    product = Process(argv, log=tmp_path / "product.log")
    try:
        product.wait_for_line("Uvicorn running")
        until(client, submit(client, params={"step_seconds": 0}), "COMPLETED")
        page = new_context(base_url=f"http://127.0.0.1:{port}").new_page()
        page.goto("/mounted/ui/")
        expect(page.locator("[data-card=job]")).to_be_visible()
        for gone in ("[data-section=canvas]", "[data-section=documents]", "[data-card=chord]", "[data-card=report]"):
            expect(page.locator(gone)).to_be_hidden()
        page.locator("[data-section=jobs]").click()
        expect(page.locator("tr[data-job-id][data-status=COMPLETED]")).to_be_visible()
        page.close()
    finally:
        product.kill()
