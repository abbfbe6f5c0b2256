"""`python -m tests.acceptance.bare`: canvases as a JSON list on standard input, what became of them on standard output.

A worker of `tests.acceptance.bare.app` must be running. A process of its own: nothing of `background` is in it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from celery.canvas import xmap, xstarmap
from celery.result import GroupResult

from tests.acceptance.bare.app import LOG, log
from tests.acceptance.bare.builder import Built

LOOK_SECONDS = 0.05
QUIET_LOOKS = 8
"""So often in a row nothing must wait or run: between two keys of kombu's a message is in neither for a moment."""
STUCK_SECONDS = 15
"""A worker that has begun and ended nothing for so long holds a message that it will never acknowledge."""


def is_quiet() -> bool:
    """Whether no message waits and none is held by the worker, which acknowledges late."""
    with log.pipeline() as pipe:
        for step in (0, 3, 6, 9):
            pipe.llen("celery" if step == 0 else f"celery\x06\x16{step}")
        pipe.hlen("unacked")
        return not any(pipe.execute())


def wait_until_quiet() -> None:
    """Return when all that was published, and all that came of it, has run; or when nothing happens any more."""
    looks, length, since = 0, 0, time.monotonic()
    while looks < QUIET_LOOKS and time.monotonic() < since + STUCK_SECONDS:
        time.sleep(LOOK_SECONDS)
        looks = looks + 1 if is_quiet() else 0
        if log.llen(LOG) != length:
            length, since = log.llen(LOG), time.monotonic()


@dataclass
class Published:
    """A canvas that is on its way, or that Celery would not publish."""

    built: Built
    result: Any = None
    refused: str | None = None


class NeverRan(Exception):
    """What the result would come from has never run."""


def value_of(result: Any, values: dict[str, Any]) -> Any:
    """The result as `get` would give it; of what Celery does not keep, as the log has it.

    Raises `NeverRan`, or whatever a task has raised.
    """
    if isinstance(result, GroupResult):
        return [value_of(each, values) for each in result.results or []]
    if result.state in ("SUCCESS", "FAILURE") and not result.ignored:
        return result.get(timeout=5)
    if result.id not in values:
        raise NeverRan(result.state)
    return values[result.id]


def outcome_of(published: Published, lines: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What became of one canvas: its value or error, and each run of each of its tasks but for tries that failed."""
    places = published.built.places
    ended = [line | {"place": place} for id_, place in places.items() for line in lines.get(id_, [])]
    values = {line["id"]: line["value"] for line in ended if line["state"] == "SUCCESS"}
    found: dict[str, Any] = {"value": None, "error": published.refused}
    if published.refused is None:
        try:
            found["value"] = value_of(published.result, values)
        except Exception as error:  # noqa: BLE001 - whatever a task may have raised
            found["error"] = f"{type(error).__name__}: {error}"
    found["state"] = getattr(published.result, "state", None)
    runs = [line for line in ended if line["state"] != "RETRY"]
    return found | {"places": places, "labels": published.built.labels, "runs": runs}


def published(canvas: dict[str, Any]) -> Published:
    """Hand a canvas to Celery."""
    found = Published(Built())
    try:
        signature = found.built.signature(canvas)
        found.result = signature.apply_async()
        # Applied by itself, a map forgets its options, and with them its id.
        if isinstance(signature, xmap | xstarmap):
            found.built.places = {found.result.id: ""}
            found.built.labels = dict(zip(found.built.places, found.built.labels.values(), strict=False))
    except Exception as error:  # noqa: BLE001 - what Celery says is an outcome too
        found.refused = f"refused: {type(error).__name__}: {error}"
    return found


def main() -> None:
    """Publish them all, wait until all have come to rest, and look."""
    log.delete(LOG)
    all_of_them = [published(canvas) for canvas in json.load(sys.stdin)]
    wait_until_quiet()
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in map(json.loads, log.lrange(LOG, 0, -1)):
        lines.setdefault(line["id"], []).append(line)
    json.dump([outcome_of(each, lines) for each in all_of_them], sys.stdout)
    sys.stdout.flush()
    # Celery's results unsubscribe when they are collected, which fails when Python is half gone.
    os._exit(0)


if __name__ == "__main__":
    main()
