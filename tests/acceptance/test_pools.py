"""The same work under every pool, started as docs/deploy.md says."""

from pathlib import Path

import httpx2 as httpx
import pytest

from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_jobs import ended, submit
from tests.support import running_worker


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_jobs_and_canvases_run_under(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    with running_worker(tmp_path / f"{pool}.log", f"--pool={pool}", "--concurrency=2"):
        jobs = [submit(client, params={"step_seconds": 0.05}) for _ in range(4)]
        chords = [start(client, "/chord")["task_id"] for _ in range(4)]
        assert {ended(client, job_id)["status"] for job_id in jobs} == {"COMPLETED"}
        assert {finished(client, task_id)["result"] for task_id in chords} == {"Final result: [5, 6]"}
