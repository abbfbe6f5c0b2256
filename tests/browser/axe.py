"""axe-core, asked about a page."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that look at colours: only these can tell the page in the other colour scheme from this one."""


def axe(page: Page, *rules: str, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """What axe says of a page: `violations`, and the rules it `passes`.

    By all rules that axe follows unless told otherwise, and those in `also`; or by `rules` alone.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {name: {"enabled": True} for name in also}}
    if rules:
        options["runOnly"] = list(rules)
    if not page.evaluate("'axe' in window"):  # half a megabyte of JavaScript, which the document keeps
        page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = page.evaluate("(options) => axe.run(options)", options)
    return found
