"""Recording under a pool with many threads."""

from pathlib import Path

import httpx2 as httpx

from tests.acceptance.test_canvas import finished
from tests.support import running_worker


def test_every_thread_of_a_large_pool_records(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "threads.log", "--pool=threads", "--concurrency=30") as worker:
        group = {"group": [{"task": "sleep", "args": [0.5]} for _ in range(90)]}
        run = client.post("/canvas", json=group).json()
        assert finished(client, run["task_id"])["status"] == "SUCCESS"
        assert "could not be recorded" not in worker.output
