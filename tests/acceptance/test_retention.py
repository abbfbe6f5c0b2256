"""Retention as an operator sets it: a real worker deletes what is past it, and what runs goes on."""

from pathlib import Path

import httpx2 as httpx

from tests.acceptance.test_jobs import ended, submit
from tests.integration.test_retention import ended as ended_ago
from tests.support import running_worker, wait_for


def test_a_worker_deletes_what_is_past_retention(client: httpx.Client, tmp_path: Path) -> None:
    old, young = ended_ago(days=31), ended_ago(days=29)
    with running_worker(tmp_path / "retention.log", env={"RETENTION_DAYS": "30"}):
        wait_for(lambda: client.get(f"/jobs/{old}").status_code == 404, what="the end of retention")
        assert ended(client, submit(client, params={"step_seconds": 0}))["status"] == "COMPLETED"
    assert client.get(f"/jobs/{young}").status_code == 200
