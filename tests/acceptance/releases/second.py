"""The second release: steps inserted, removed, renamed, reordered; other parameters; a pipeline gone, another new."""

from typing import Any

from tests.acceptance.releases import pipeline


def cents(params: dict[str, Any]) -> dict[str, Any]:
    """What the first release called an amount."""
    return {"seconds": params.get("seconds", 0.0), "cents": 100 * params["amount"]}


same = pipeline("same", ["take", "make", "send"], "second")
inserted = pipeline("inserted", ["take", "check", "make", "send"], "second")
removed = pipeline("removed", ["take", "send"], "second")
renamed = pipeline("renamed", ["take", "build", "send"], "second")
reordered = pipeline("reordered", ["make", "take", "send"], "second")
demanding = pipeline("demanding", ["take", "make", "send"], "second", fields={"customer": (int, ...)})
stricter = pipeline("stricter", ["take", "make", "send"], "second")
upgraded = pipeline("upgraded", ["take", "make", "send"], "second", fields={"cents": (int, ...)}, upgrade=cents)
added = pipeline("added", ["take", "make", "send"], "second")
