"""How tests start runs and find their way on the pages of canvases, runs and documents."""

from typing import Any

import httpx2 as httpx
from playwright.sync_api import Locator, Page, expect


def task(name: str, *args: Any, **options: Any) -> dict[str, Any]:
    """A task of a canvas as JSON."""
    return {"task": name, "args": list(args), **options}


def start(client: httpx.Client, canvas: dict[str, Any]) -> str:
    """Run a canvas; gives the run's id."""
    answer = client.post("/canvas", json=canvas)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def open_run(page: Page, run: str, query: str = "") -> Locator:
    """Open the page of a run and wait until its tasks are shown; gives its article."""
    page.goto(f"/ui/#/runs/{run}{query}")
    article = page.locator(f'[data-run="{run}"]')
    expect(article).to_be_visible()
    return article


def node(page: Page, name: str) -> Locator:
    """The tasks of this name in the picture."""
    return page.locator(".node", has=page.locator(".node-task", has_text=name))


def expect_ended(page: Page, status: str) -> None:
    """The run that is shown has ended so."""
    expect(page.locator("article.run")).to_have_attribute("data-status", status, timeout=30_000)
