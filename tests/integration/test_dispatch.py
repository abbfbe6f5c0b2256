"""Whatever goes wrong once a job is stored, whoever submitted it hears that it is."""

import time

import pytest

from background import broker
from background.celery import celery_app
from background.errors import Unavailable
from background.jobs import dispatch, service
from background.jobs.recovery_queries import PUBLISH_SECONDS
from background.jobs.schemas import JobRequest

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
ODD = [RuntimeError("nobody expects this"), KeyError("task"), OSError("broken pipe"), Unavailable("away")]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_any_error_while_publishing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(celery_app, "send_task", fail)
    job, new = service.create_job(JobRequest())
    assert (job["status"], new) == ("PENDING", True)
    service.cancel_job(job["id"])


def test_a_late_publisher_hands_nothing_over() -> None:
    job, _ = service.create_job(JobRequest())
    before = broker.queue_length()
    assert dispatch.publish([{**job}], since=time.monotonic() - PUBLISH_SECONDS) == 0  # type: ignore[list-item]
    assert broker.queue_length() == before
    assert dispatch.publish([{**job}], since=time.monotonic()) == 1  # type: ignore[list-item]
    assert broker.queue_length() == before + 1
    service.cancel_job(job["id"])
