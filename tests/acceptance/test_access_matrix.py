"""Every operation, and who may use it: an operation that is not in this table fails."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from main import app
from tests.acceptance.test_api_keys import KEYS, READ, WRITE
from tests.support import running_api

ANYBODY, READER, WRITER = "anybody", "reader", "writer"
NOBODY = "00000000-0000-0000-0000-000000000000"
OPERATIONS = {
    "GET /": ANYBODY,
    "GET /ready": ANYBODY,
    "GET /jobs": READER,
    "POST /jobs": WRITER,
    "POST /jobs/batch": WRITER,
    "GET /jobs/stats": READER,
    "GET /jobs/matching": READER,
    "POST /jobs/actions": WRITER,
    "GET /jobs/{job_id}": READER,
    "DELETE /jobs/{job_id}": WRITER,
    "POST /jobs/{job_id}/cancel": WRITER,
    "POST /jobs/{job_id}/retry": WRITER,
    "GET /jobs/{job_id}/events": READER,
    "GET /jobs/{job_id}/logs": READER,
    "GET /schedules": READER,
    "POST /schedules": WRITER,
    "GET /schedules/{schedule_id}": READER,
    "PATCH /schedules/{schedule_id}": WRITER,
    "DELETE /schedules/{schedule_id}": WRITER,
    "POST /schedules/{schedule_id}/run": WRITER,
    "GET /events": READER,
    "GET /pipelines": READER,
    "PATCH /pipelines/{name}": WRITER,
    "GET /queues": READER,
    "PATCH /queues/{name}": WRITER,
    "GET /workers": READER,
    "POST /add": WRITER,
    "POST /test-request-info": WRITER,
    "POST /chain": WRITER,
    "POST /group": WRITER,
    "POST /chord": WRITER,
    "POST /canvas": WRITER,
    "POST /canvas/preview": READER,
    "GET /canvas/tasks": READER,
    "GET /runs": READER,
    "GET /result/{task_id}": READER,
    "DELETE /result/{task_id}": WRITER,
    "GET /result/{task_id}/events": READER,
    "GET /result/{task_id}/history": READER,
    "POST /result/{task_id}/cancel": WRITER,
    "POST /result/{task_id}/retry": WRITER,
    "GET /documents": READER,
    "POST /documents": WRITER,
    "POST /documents/analyze": WRITER,
    "POST /documents/report": WRITER,
    "GET /documents/{name}": READER,
    "DELETE /documents/{name}": WRITER,
    "POST /documents/{name}/analyze": WRITER,
    "GET /reports/{name}": READER,
}
REFUSED = (401, 403)


@pytest.fixture(scope="module")
def guarded(postgres: object, valkey: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API with a key of each role."""
    with running_api(tmp_path_factory.mktemp("matrix") / "api.log", env={"API_KEYS": KEYS}) as client:
        yield client


def test_every_operation_is_in_the_table() -> None:
    paths = app.openapi()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_who_may(guarded: httpx.Client, operation: str) -> None:
    method, path = operation.split()
    path = path.format(job_id=2**62, schedule_id=2**62, task_id=NOBODY, name="nothing.txt")
    who = OPERATIONS[operation]
    for headers, role in (({}, ANYBODY), (READ, READER), (WRITE, WRITER)):
        # Nothing that is let through does anything: this is no JSON.
        kind = {"Content-Type": "application/json"} if method == "POST" else {}
        with guarded.stream(method, path, content=b"{" if kind else None, headers=headers | kind) as answer:
            status = answer.status_code
        roles = (ANYBODY, READER, WRITER)
        if roles.index(role) >= roles.index(who):
            assert status not in REFUSED, role
        else:
            assert status == (401 if role == ANYBODY else 403), role
