"""Schedules as a user sees them: a real API, and real workers that make their jobs and die."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import text

from tests.acceptance.test_bad_input import assert_problem
from tests.support import no_schedules, running_worker, transaction, wait_for

HOURLY = {"name": "hourly", "pipeline": "demo", "params": {"step_seconds": 0.1}, "cron": "0 * * * *"}


@pytest.fixture(autouse=True)
def empty(client: httpx.Client) -> Iterator[None]:
    with no_schedules():
        yield


def make(client: httpx.Client, **given: Any) -> dict[str, Any]:
    """A schedule, as it is answered."""
    answer = client.post("/schedules", json={**HOURLY, **given})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/schedules/{made['id']}"
    return made


def test_from_making_to_removing_one(client: httpx.Client) -> None:
    made = make(client)
    address = f"/schedules/{made['id']}"
    assert client.get(address).json() == made
    times = [datetime.fromisoformat(each) for each in made["next_runs"]]
    assert [each.minute for each in times] == [0] * 5
    assert (made["next_at"], made["timezone"], made["catch_up"], made["paused"]) == (
        made["next_runs"][0], "UTC", False, False,
    )  # fmt: skip
    listed = client.get("/schedules", params={"pipeline": "demo"}).json()
    assert listed == [{name: value for name, value in made.items() if name != "next_runs"}]
    run = client.post(f"{address}/run")
    assert (run.status_code, run.headers["Location"]) == (201, f"/jobs/{run.json()['job_id']}")
    assert {*run.json()} == {"job_id", "task_id", "status", "message"}
    assert client.get(run.headers["Location"]).json()["schedule_id"] == made["id"]
    refused = client.patch(address, json={"cron": None})
    assert_problem(refused, 422)
    assert refused.json()["detail"] == "A schedule has either a cron line or every_seconds, one of the two."
    paused = client.patch(address, json={"paused": True}).json()
    assert (paused["paused"], paused["next_at"], paused["last_job_id"]) == (True, None, run.json()["job_id"])
    assert client.delete(address).status_code == 204
    for answer in (
        client.get(address),
        client.delete(address),
        client.patch(address, json={}),
        client.post(f"{address}/run"),
    ):
        assert_problem(answer, 404)
    assert client.get("/schedules").json() == []
    assert client.get(run.headers["Location"]).status_code == 200


def test_the_list_has_pages(client: httpx.Client) -> None:
    ids = [make(client, name=f"of {number}")["id"] for number in range(3)]
    first = client.get("/schedules", params={"limit": 2})
    second = client.get(first.links["next"]["url"])
    assert [each["id"] for each in first.json() + second.json()] == ids
    assert "next" not in second.links


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"cron": "0 0 30 2 *"}, "cron_never"),
        ({"cron": "0 0 * *"}, "cron_line"),
        ({"cron": "0 25 * * *"}, "cron_line"),
        ({"timezone": "Mars/Olympus"}, "time_zone"),
        ({"cron": None}, "schedule_when"),
        ({"every_seconds": 30}, "schedule_when"),
        ({"cron": None, "every_seconds": 0}, "greater_than_equal"),
        ({"cron": None, "every_seconds": -1}, "greater_than_equal"),
        ({"cron": None, "every_seconds": 1e300}, "less_than_equal"),
        ({"cron": None, "every_seconds": "30"}, "float_type"),
        ({"cron": "0 0 * * * " * 100}, "string_too_long"),
        ({"pipeline": "nothing"}, "invalid"),
        ({"params": {"step_seconds": -1}}, "greater_than_equal"),
        ({"params": {"other": 1}}, "extra_forbidden"),
        ({"name": ""}, "string_too_short"),
        ({"name": "x" * 101}, "string_too_long"),
        ({"name": "a\x00b"}, "json_refused"),
        ({"name": " "}, "string_pattern_mismatch"),
        ({"pipeline": None}, "string_type"),
        ({"priority": 10}, "less_than_equal"),
        ({"crom": "* * * * *"}, "extra_forbidden"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_stored(
    client: httpx.Client, given: dict[str, Any], kind: str
) -> None:
    answer = client.post("/schedules", json={**HOURLY, **given})
    assert_problem(answer, 422)
    assert kind in {each["type"] for each in answer.json()["errors"]}, answer.json()
    assert client.get("/schedules").json() == []


def test_a_taken_name(client: httpx.Client) -> None:
    make(client)
    answer = client.post("/schedules", json=HOURLY)
    assert_problem(answer, 409)
    assert (answer.json()["code"], answer.json()["detail"]) == (
        "schedule_exists", "There is a schedule 'hourly' already.",
    )  # fmt: skip
    assert len(client.get("/schedules").json()) == 1


def due_times(schedule_id: int) -> list[datetime]:
    """When the jobs of a schedule were due."""
    statement = "SELECT run_at FROM jobs WHERE schedule_id = :id ORDER BY run_at"
    with transaction() as connection:
        return list(connection.execute(text(statement), {"id": schedule_id}).scalars())


def test_every_second_while_workers_are_killed(client: httpx.Client, tmp_path: Path) -> None:
    """The one that makes the jobs is killed again and again; those that stay go on at once."""
    solo = ("--pool=solo",)
    with (
        running_worker(tmp_path / "first.log", *solo) as first,
        running_worker(tmp_path / "second.log", *solo) as second,
    ):
        made = make(client, cron=None, every_seconds=1)
        own = {"schedule_id": made["id"]}
        wait_for(lambda: len(due_times(made["id"])) >= 2, what="two jobs")
        first.kill()
        before = len(due_times(made["id"]))
        wait_for(lambda: len(due_times(made["id"])) >= before + 2, what="two more")
        second.kill()
        with running_worker(tmp_path / "third.log", *solo):
            known = len(due_times(made["id"]))
            wait_for(lambda: len(due_times(made["id"])) > known, what="the next after the outage")
            client.patch(f"/schedules/{made['id']}", json={"paused": True})
            times = due_times(made["id"])
            assert len({*times}) == len(times), "none is doubled"
            wait_for(
                lambda: not client.get("/jobs", params={**own, "status": ["PENDING", "IN_PROGRESS"]}).json(),
                seconds=60,
                what="the end of its jobs",
            )
