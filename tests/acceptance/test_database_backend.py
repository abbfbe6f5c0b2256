"""Celery's results in PostgreSQL instead of Redis: a chord polls for the end of its header; nothing else changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from background.settings import get_settings
from tests.acceptance.test_canvas import finished, start
from tests.support import Process, running_api, running_worker, wait_for

POLL = "Task celery.chord_unlock["
"""What the log shows of the task that looks again and again whether a header has ended."""


@contextmanager
def on_database(home: Path) -> Iterator[tuple[httpx.Client, Process]]:
    """API and worker that keep Celery's results in PostgreSQL; their queue is not that of other tests."""
    url = get_settings().sqlalchemy_url.render_as_string(hide_password=False)
    environment = {
        "CELERY_RESULT_BACKEND": f"db+{url}",
        "CELERY_BROKER_URL": get_settings().broker_url.removesuffix("/0") + "/1",
    }
    with (
        running_api(home / "api.log", env=environment) as api,
        running_worker(home / "w.log", env=environment) as worker,
    ):
        yield api, worker


def test_a_chord_with_the_database_result_backend(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    with on_database(tmp_path) as (api, worker):
        assert finished(api, start(api, "/chord")["task_id"])["result"] == "Final result: [5, 6]"
        assert finished(api, start(api, "/chain")["task_id"])["result"] == "Final result: 50"
        assert POLL in worker.output


def test_an_ignored_header_never_ends_with_the_database_result_backend(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    header = [{"task": "echo", "args": [number], "ignore_result": True} for number in (1, 2)]
    with on_database(tmp_path) as (api, worker):
        run = start(api, "/canvas", {"chord": {"header": header, "body": {"task": "xsum"}}})
        wait_for(lambda: worker.output.count(POLL) > 2, what="polling")
        outcome = api.get(f"/result/{run['task_id']}").json()
        assert [node["state"] for node in outcome["graph"]["nodes"]] == ["SUCCESS", "SUCCESS", "PENDING"]
        assert outcome["verdict"].startswith("Waiting")
        assert outcome["verdict"].endswith("2 of 3 tasks are done.")


def test_a_chord_with_redis_does_not_poll(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "w.log") as worker:
        assert finished(client, start(client, "/chord")["task_id"])["result"] == "Final result: [5, 6]"
        assert POLL not in worker.output
