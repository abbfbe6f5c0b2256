"""Celery's results in PostgreSQL instead of Redis: a chord polls for the end of its header; nothing else changes."""

from pathlib import Path

import httpx2 as httpx
import pytest

from background.local.servers import EmbeddedPostgres, EmbeddedValkey
from background.settings import get_settings
from tests.acceptance.test_canvas import finished, start
from tests.support import running_api, running_worker

POLL = "Task celery.chord_unlock["
"""What the log shows of the task that looks again and again whether a header has ended."""


@pytest.mark.usefixtures("client")
def test_a_chord_with_the_database_result_backend(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    url = get_settings().sqlalchemy_url.render_as_string(hide_password=False)
    environment = {"CELERY_RESULT_BACKEND": f"db+{url}"}
    with (
        running_api(tmp_path / "api.log", env=environment) as api,
        running_worker(tmp_path / "w.log", env=environment) as worker,
    ):
        assert finished(api, start(api, "/chord")["task_id"])["result"] == "Final result: [5, 6]"
        assert finished(api, start(api, "/chain")["task_id"])["result"] == "Final result: 50"
        assert POLL in worker.output


def test_a_chord_with_redis_does_not_poll(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "w.log") as worker:
        assert finished(client, start(client, "/chord")["task_id"])["result"] == "Final result: [5, 6]"
        assert POLL not in worker.output
