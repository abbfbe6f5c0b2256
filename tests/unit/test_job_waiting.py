"""Why a job waits, without any server."""

from datetime import UTC, datetime
from typing import Any

import pytest

from background.jobs import waiting


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({"queue_length": 41, "serving": 2}, "It waits for a free worker: 2 alive."),
        ({"queue_length": 41, "published": False}, "It waits for a free worker: 1 alive."),
        ({"queue_length": None, "serving": 0}, "No live worker serves the queue reports."),
        ({"queue_length": 0}, "Its message is on its way to a worker."),
        ({"published": False}, "Its message is about to be handed to the broker."),
        ({"queue_length": None}, "The broker is down: no worker can reach it."),
        ({"live_workers": 0, "serving": 0, "queue_length": None}, "No worker is alive."),
        ({"seconds_until_due": 3599.6, "live_workers": 0}, "It is not due yet: it may begin in 3600 s."),
        (
            {"seconds_until_due": 4.2, "error": "RuntimeError: no"},
            "It pauses for another 4 s after an error: RuntimeError: no",
        ),
        (
            {"seconds_until_due": 4.2, "error": "RuntimeError: no", "waits_for": "429"},
            "Its step has asked to be run again in 4 s: 429",
        ),
        ({"seconds_until_due": -1, "waits_for": "429"}, "Its message is on its way to a worker."),
        ({"seconds_until_due": -1, "error": "RuntimeError: no"}, "Its message is on its way to a worker."),
    ],
)
def test_why_a_job_waits(known: dict[str, Any], sentence: str) -> None:
    usual: dict[str, Any] = {
        "seconds_until_due": -1,
        "run_at": datetime(2030, 1, 1, tzinfo=UTC),
        "error": None,
        "published": True,
        "queue": "reports",
        "live_workers": 2,
        "serving": 1,
        "queue_length": 0,
    }
    facts = waiting.why(waiting.Waiting(**usual | known))
    assert waiting.sentence(facts) == sentence
    assert facts["code"] in waiting.WaitingCode
