"""A header task whose message comes twice: Celery delivers at least once, and the chord's body must run once, rightly.

The Redis backend tells the parts of a chord by the bytes of their results: the second must be those of the first.
"""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
import redis

from background.settings import get_settings
from tests.acceptance.test_canvas import finished, start
from tests.support import running_worker

VALUES: list[Any] = [
    1e22,
    -0.0,
    1e300,
    {"bb": 1, "a": 2},
    int("7" * 4000),
    [[[], [1, [2.50, "three"]]], {}],
    "안녕 \U0001f600 \u2028",
    {"__type__": "point", "__value__": [1, 2]},
    None,
    True,
    "\\ud800 is no half of anything",
]


def doubled(broker: redis.Redis, task_ids: set[str]) -> int:
    """Put a copy of each waiting message of these tasks beside it, as Redis hands it out again; gives their number."""
    copies = 0
    for queue in broker.scan_iter("celery*", _type="list"):
        for text in broker.lrange(queue, 0, -1):
            message = json.loads(text)
            if message["headers"]["id"] in task_ids:
                message["properties"]["delivery_tag"] = str(uuid4())
                broker.lpush(queue, json.dumps(message))
                copies += 1
    return copies


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_header_task_that_comes_twice_counts_once(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    sleep = {"task": "sleep", "args": [0.2]}
    canvases = [
        {"chord": {"header": [sleep, {"task": "echo", "args": [value]}], "body": {"task": "finalize"}}}
        for value in VALUES
    ]
    runs = [start(client, "/canvas", canvas) for canvas in canvases]
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        assert doubled(broker, {run["graph"]["nodes"][1]["id"] for run in runs}) == len(VALUES)
    with running_worker(tmp_path / f"{pool}.log", f"--pool={pool}", "--concurrency=2") as worker:
        outcomes = [finished(client, run["task_id"]) for run in runs]
        log = worker.output
    for value, outcome in zip(VALUES, outcomes, strict=True):
        _, echo, body = outcome["graph"]["nodes"]
        assert outcome["status"] == "SUCCESS", outcome["verdict"]
        assert json.dumps(echo["result"]) == json.dumps(value)
        assert outcome["result"] == f"Final result: {[0.2, value]}"
        assert (body["starts"], log.count(f"{body['id']}] succeeded")) == (1, 1)
        assert body["started_at"] > outcome["graph"]["nodes"][0]["finished_at"]
