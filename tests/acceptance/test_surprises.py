"""What surprises people about canvases: what Celery says, and what is said here instead."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from celery.result import AsyncResult, GroupResult

from background.celery import celery_app
from background.task.test_tasks import add, request_info
from tests.acceptance.bare.joined import FROM_5_7
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_playground import ADD, ECHO, states, task
from tests.support import wait_for

pytestmark = pytest.mark.usefixtures("worker")


def run(client: httpx.Client, canvas: dict[str, Any]) -> dict[str, Any]:
    """The canvas once it has ended."""
    return finished(client, start(client, "/canvas", canvas)["task_id"])


def celery_says(outcome: dict[str, Any]) -> list[AsyncResult[Any]]:
    """Celery's own results of the run's tasks."""
    return [celery_app.AsyncResult(node["id"]) for node in outcome["graph"]["nodes"]]


def test_pending_also_means_never_heard_of(client: httpx.Client) -> None:
    unknown = str(uuid4())
    assert celery_app.AsyncResult(unknown).state == "PENDING"
    assert_problem(client.get(f"/result/{unknown}"), 404)


def test_a_failing_header_task_stops_the_body_and_not_its_siblings(client: httpx.Client) -> None:
    canvas = {"chord": {"header": [ADD, task("fail", "one"), task("fail", "two")], "body": ECHO}}
    outcome = run(client, canvas)
    body = celery_says(outcome)[-1]
    wait_for(lambda: body.state == "FAILURE", what="Celery's word about the body")
    assert type(body.result).__name__ == "ChordError"
    assert ("one" in str(body.result)) != ("two" in str(body.result))
    assert [state for _, state in states(outcome)] == ["SUCCESS", "FAILURE", "FAILURE", "SKIPPED"]
    assert " (and 1 more) failed: RuntimeError" in outcome["verdict"]
    assert "So echo, the callback of its chord, did not run; add in the same header still ran." in outcome["verdict"]


def test_a_failing_first_step_shows_its_error_under_every_id_of_the_chain(client: httpx.Client) -> None:
    outcome = run(client, {"chain": [task("fail", "no"), ECHO, ECHO]})
    for each in celery_says(outcome):
        wait_for(lambda each=each: each.state == "FAILURE", what="Celery's word")  # type: ignore[misc]
        assert str(each.result) == "no"
    assert [state for _, state in states(outcome)] == ["FAILURE", "SKIPPED", "SKIPPED"]
    assert outcome["verdict"] == "fail failed: RuntimeError: no. The chain stopped at step 1: echo, echo never ran."


@pytest.mark.parametrize(("members", "result"), [([task("echo", 2)], 2), ([task("echo", 2), task("echo", 3)], [2, 3])])
def test_a_group_of_one_is_no_group(client: httpx.Client, members: list[Any], result: Any) -> None:
    canvas = {"chain": [{"group": members}, ECHO]}
    warned = {warning["code"] for warning in client.post("/canvas/preview", json=canvas).json()["warnings"]}
    assert ("group-of-one" in warned, "group-becomes-chord" in warned) == (len(members) == 1, len(members) > 1)
    assert run(client, canvas)["result"] == result


def test_a_groups_results_cannot_be_restored_unless_they_were_saved(client: httpx.Client) -> None:
    outcome = run(client, {"group": [ADD, ADD]})
    assert GroupResult.restore(outcome["task_id"], app=celery_app) is None
    assert client.get(f"/result/{outcome['task_id']}").json()["result"] == [5, 5]


def test_the_tree_cannot_be_found_again_from_an_id(client: httpx.Client) -> None:
    outcome = run(client, {"chain": [ADD, ECHO]})
    assert celery_app.AsyncResult(outcome["task_id"]).parent is None
    member = client.get(f"/result/{outcome['graph']['nodes'][0]['id']}").json()
    assert (member["run_id"], len(member["graph"]["nodes"])) == (outcome["task_id"], 2)


def test_revoking_the_last_id_of_a_chain_lets_the_others_run(client: httpx.Client) -> None:
    chain = {"chain": [task("sleep", 1), ECHO, ECHO]}
    revoked = start(client, "/canvas", chain)
    celery_app.control.revoke(revoked["task_id"])
    outcome = finished(client, revoked["task_id"])
    assert [state for _, state in states(outcome)] == ["SUCCESS", "SUCCESS", "REVOKED"]
    cancelled = start(client, "/canvas", chain)
    path = f"/result/{cancelled['task_id']}"
    wait_for(lambda: client.get(path).json()["status"] == "STARTED", what="the sleep")
    client.post(f"{path}/cancel")
    outcome = finished(client, cancelled["task_id"])
    assert [state for _, state in states(outcome)] == ["SUCCESS", "REVOKED", "REVOKED"]
    assert outcome["verdict"] == "Revoked: echo, echo never ran; 1 of 3 tasks were done."


def test_an_immutable_signature_drops_the_result_before_it(client: httpx.Client) -> None:
    canvas = {"chain": [ADD, task("echo", 1, immutable=True)]}
    preview = client.post("/canvas/preview", json=canvas).json()
    assert preview["code"] == "chain(add.s(2, 3), echo.si(1))"
    assert [warning["code"] for warning in preview["warnings"]] == ["immutable"]
    assert run(client, canvas)["result"] == 1


@pytest.mark.parametrize("ignored", ["header", "body"])
def test_what_is_ignored_in_a_chord_stays_pending(client: httpx.Client, ignored: str) -> None:
    header = [task("echo", number, ignore_result=ignored == "header") for number in (1, 2)]
    canvas = {"chord": {"header": header, "body": task("xsum", ignore_result=ignored == "body")}}
    warned = {warning["code"] for warning in client.post("/canvas/preview", json=canvas).json()["warnings"]}
    assert warned == {"header-failure", "ignored-result"} | ({"ignored-header"} if ignored == "header" else set())
    outcome = run(client, canvas)
    *members, body = celery_says(outcome)
    kept, dropped = (members, [body]) if ignored == "body" else ([body], members)
    wait_for(lambda: all(each.state == "SUCCESS" for each in kept), what="Celery's word")
    assert [each.state for each in dropped] == ["PENDING"] * len(dropped)
    assert [node["result"] for node in outcome["graph"]["nodes"]] == [1, 2, 3]
    assert (outcome["result"], outcome["verdict"]) == (3, "All 3 tasks succeeded.")


def test_a_retry_forgets_that_the_result_is_ignored(client: httpx.Client) -> None:
    (flaky,) = celery_says(run(client, task("flaky", 1, ignore_result=True)))
    if FROM_5_7:
        assert flaky.state == "PENDING"
    else:
        wait_for(lambda: flaky.state == "SUCCESS", what="Celery's word")


@pytest.mark.parametrize(
    ("members", "expected", "verdict"),
    [
        (
            [task("echo", 1), task("fail", "no")],
            {"echo": "SUCCESS", "finalize": "SUCCESS", "fail": "FAILURE"},
            "fail failed: RuntimeError: no.",
        ),
        (
            [task("fail", "no"), task("echo", 1)],
            {"fail": "FAILURE", "finalize": "SKIPPED", "echo": "SUCCESS"},
            "fail failed: RuntimeError: no. finalize never ran.",
        ),
    ],
)
def test_a_groups_callback_is_one_on_its_first_task(
    client: httpx.Client, members: list[Any], expected: dict[str, str], verdict: str
) -> None:
    canvas = {"group": members, "link": task("finalize", "linked")}
    assert [warning["code"] for warning in client.post("/canvas/preview", json=canvas).json()["warnings"]] == [
        "group-link"
    ]
    outcome = run(client, canvas)
    assert states(outcome) == list(expected.items())
    assert (outcome["status"], outcome["verdict"]) == ("FAILURE", verdict)


def test_a_groups_error_callback_is_called_for_each_failure(client: httpx.Client) -> None:
    canvas = {"group": [task("fail", "one"), ADD, task("fail", "two")], "link_error": task("finalize")}
    warnings = client.post("/canvas/preview", json=canvas).json()["warnings"]
    assert [warning["code"] for warning in warnings] == ["group-link-error"]
    outcome = run(client, canvas)
    assert states(outcome) == [
        ("fail", "FAILURE"), ("finalize", "SUCCESS"), ("add", "SUCCESS"), ("finalize", "SKIPPED"), ("fail", "FAILURE"),
        ("finalize", "SUCCESS"),
    ]  # fmt: skip
    assert " (and 1 more) failed: RuntimeError: " in outcome["verdict"]
    assert outcome["verdict"].endswith("The error callbacks finalize, finalize ran.")
    failed, called = outcome["graph"]["nodes"][:2]
    assert called["result"] == f"Final result: {failed['id']}"


def test_eager_mode_is_not_a_worker(client: httpx.Client) -> None:
    eager = request_info.apply(args=((1, 2),))
    told: Any = eager.result
    assert (told["data"], told["delivery_info"]["is_eager"]) == ((1, 2), True)
    assert "@" not in told["hostname"]
    assert celery_app.AsyncResult(add.apply(args=(2, 3)).id).state == "PENDING"
    assert_problem(client.get(f"/result/{eager.id}"), 404)
    told = run(client, task("request_info", [1, 2]))["result"]
    assert (told["data"], told["delivery_info"].get("is_eager")) == ([1, 2], None)
    assert "@" in told["hostname"]
