"""Any canvas, on a real worker: what Celery does with it, what is recorded, and what the verdict says."""

from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
import redis

from background.settings import get_settings
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.support import Process, wait_for

pytestmark = pytest.mark.usefixtures("worker")
ADD = {"task": "add", "args": [2, 3]}
ECHO = {"task": "echo"}


def task(name: str, *args: Any, **options: Any) -> dict[str, Any]:
    """A task of a canvas."""
    return {"task": name, "args": list(args), **options}


def states(outcome: dict[str, Any]) -> list[tuple[str, str]]:
    """The short name and state of each node."""
    return [(node["task"].rpartition(".")[2], node["state"]) for node in outcome["graph"]["nodes"]]


def shape(graph: dict[str, Any]) -> tuple[list[str], list[list[int]]]:
    """A graph without its ids."""
    place = {node["id"]: number for number, node in enumerate(graph["nodes"])}
    return [node["task"] for node in graph["nodes"]], sorted([place[a], place[b]] for a, b in graph["edges"])


NESTED = {
    "chain": [
        ADD,
        {"group": [task("multiply", 2), {"chain": [task("add", 1), task("multiply", 3)]}]},
        task("xsum"),
        {"chord": {"header": [task("add", 1), task("add", 2), {"group": [task("add", 3)]}], "body": task("xsum")}},
        ECHO,
    ]
}


@pytest.mark.parametrize(
    ("canvas", "result"),
    [
        (ADD, 5),
        ({"chain": [ADD, task("multiply", 10), task("finalize")]}, "Final result: 50"),
        ({"group": [ADD, {"group": [ADD, task("multiply", 2, 3)]}]}, [5, 5, 6]),
        ({"chord": {"header": [ADD, ADD], "body": task("xsum")}}, 10),
        ({"chord": {"header": [ADD], "body": ECHO}}, [5]),
        ({"chain": [{"group": [ADD, ADD]}, ECHO]}, [5, 5]),
        ({"chain": [{"group": [ADD]}, ECHO]}, 5),
        ({"chain": [{"group": [ADD, ADD]}, {"group": [task("xsum"), ECHO]}]}, [10, [5, 5]]),
        ({"chain": [ADD, task("echo", 7, immutable=True)]}, 7),
        (NESTED, 90),
        (task("flaky", 2), 3),
        ({"chain": [ADD, {"group": [ECHO, ECHO]}]}, [5, 5]),
        ({"chord": {"header": [{"chain": [ADD, task("add", 1)]}, ADD], "body": {"chain": [task("xsum"), ECHO]}}}, 11),
    ],
)
def test_a_canvas_runs_as_previewed(client: httpx.Client, canvas: dict[str, Any], result: Any) -> None:
    plan = client.post("/canvas/preview", json=canvas).json()
    started = start(client, "/canvas", canvas)
    assert (started["type"], started["code"]) == ("canvas", plan["code"])
    assert shape(started["graph"]) == shape(plan["graph"])
    run = finished(client, started["task_id"])
    assert (run["status"], run["result"]) == ("SUCCESS", result), run["verdict"]


FAILS = task("fail", "no", immutable=True)


@pytest.mark.parametrize(
    ("canvas", "result"),
    [
        ({**ADD, "link": FAILS}, 5),
        ({"chain": [{**ADD, "link": FAILS}, ECHO]}, 5),
        ({"group": [{**ADD, "link": FAILS}, ADD]}, [5, 5]),
        ({"group": [ADD, ADD], "link": FAILS}, [5, 5]),
        ({"chord": {"header": [{**ADD, "link": FAILS}, ADD], "body": {**ECHO, "link": [FAILS, ECHO]}}}, [5, 5]),
        ({"group": [ADD, FAILS]}, None),
    ],
)
def test_a_result_is_there_though_a_callback_fails(client: httpx.Client, canvas: dict[str, Any], result: Any) -> None:
    """As Celery's `get` gives it: nothing waits for a callback."""
    run = finished(client, start(client, "/canvas", canvas)["task_id"])
    assert (run["status"], run["result"]) == ("FAILURE", result), run["verdict"]
    assert run["reason"].get("has_result", False) == (result is not None)
    assert run["verdict"].endswith("Its result is there all the same: nothing of it waits for that.") == bool(result)
    (listed,) = client.get("/runs?limit=1").json()
    assert (listed["result"], listed["verdict"]) == (result, run["verdict"])


def test_a_result_is_there_while_a_callback_runs(client: httpx.Client) -> None:
    path = f"/result/{start(client, '/canvas', {**ADD, 'link': task('sleep', 2, immutable=True)})['task_id']}"
    wait_for(lambda: client.get(path).json()["result"] == 5, what="the result")
    assert client.get(path).json()["ready"] is False
    refused = client.post(f"{path}/retry")
    assert_problem(refused, 409)
    assert refused.json()["detail"].endswith("Wait until it has ended, or cancel it.")
    client.post(f"{path}/cancel").raise_for_status()
    assert (finished(client, path.rpartition("/")[2])["status"], client.get(path).json()["result"]) == ("REVOKED", 5)


def test_a_failing_header_task_and_its_retry(client: httpx.Client) -> None:
    canvas = {"chord": {"header": [ADD, task("fail", "no", retries=2)], "body": task("xsum")}}
    run = finished(client, start(client, "/canvas", canvas)["task_id"])
    assert states(run) == [("add", "SUCCESS"), ("fail", "FAILURE"), ("xsum", "SKIPPED")]
    assert (run["status"], run["error"]) == ("FAILURE", {"type": "RuntimeError", "message": "no"})
    assert [node["retries"] for node in run["graph"]["nodes"]] == [0, 2, 0]
    assert "So xsum, the callback of its chord, did not run; add in the same header still ran." in run["verdict"]
    answer = client.post(f"/result/{run['task_id']}/retry")
    assert answer.status_code == 202
    again = finished(client, run["task_id"])
    first, before = again["graph"]["nodes"][0], run["graph"]["nodes"][0]
    assert {**first, "id": None} == {**before, "id": None}
    old = client.get(f"/result/{before['id']}").json()
    assert (old["task_id"], old["run_id"]) == (first["id"], again["task_id"])
    assert (again["status"], states(again)) == ("FAILURE", states(run))
    assert again["graph"]["nodes"][1]["finished_at"] > run["graph"]["nodes"][1]["finished_at"]
    assert_history(client, again["task_id"], again)


def assert_history(client: httpx.Client, task_id: str, run: dict[str, Any]) -> None:
    """What happened before the retry and since is told of the tasks by the ids that they have now."""
    history = client.get(f"/result/{task_id}/history").json()
    assert [event["number"] for event in history] == list(range(1, len(history) + 1))
    echo, fails, _ = run["graph"]["nodes"]
    tries = ["started", "retried", "started", "retried", "started", "failure"]
    assert [event["kind"] for event in history if event["task_id"] == fails["id"]] == tries * 2
    # What had succeeded is not begun again.
    assert [event["kind"] for event in history if event["task_id"] == echo["id"]] == ["started", "success"]
    whole = [event["kind"] for event in history if event["task_id"] is None]
    assert [kind for kind in whole if kind != "skipped"] == ["created", "ended", "run_again", "ended"]
    began = {event["worker"] for event in history if event["kind"] == "started"}
    assert began == {fails["worker"]}
    assert {event["worker"] for event in history if event["kind"] != "started"} == {None}


@pytest.mark.parametrize(
    ("first", "expected", "result"),
    [(ADD, ["SUCCESS", "SKIPPED", "SUCCESS"], 5), (task("fail", "no"), ["FAILURE", "SUCCESS", "SKIPPED"], None)],
)
def test_an_error_callback(client: httpx.Client, first: dict[str, Any], expected: list[str], result: Any) -> None:
    run = finished(client, start(client, "/canvas", {"chain": [{**first, "link_error": ECHO}, ECHO]})["task_id"])
    assert [state for _, state in states(run)] == expected
    first_id, called_id, last_id = (node["id"] for node in run["graph"]["nodes"])
    assert run["graph"]["tree"] == {
        "chain": [{"task": first_id, "link_error": [{"task": called_id}]}, {"task": last_id}]
    }
    assert (run["status"], run["result"]) == ("SUCCESS" if result else "FAILURE", result)
    if not result:
        failed, called, _ = run["graph"]["nodes"]
        assert called["result"] == failed["id"]
        assert client.post(f"/result/{run['task_id']}/retry").status_code == 202
        assert [state for _, state in states(finished(client, run["task_id"]))] == expected


def test_a_groups_callback_that_fails_is_retried_alone(client: httpx.Client) -> None:
    canvas = {"chain": [{"group": [ADD, ADD], "link": task("fail", "no")}, task("xsum")]}
    run = finished(client, start(client, "/canvas", canvas)["task_id"])
    expected = [("add", "SUCCESS"), ("fail", "FAILURE"), ("add", "SUCCESS"), ("xsum", "SUCCESS")]
    assert (run["status"], states(run)) == ("FAILURE", expected)
    assert client.post(f"/result/{run['task_id']}/retry").status_code == 202
    again = finished(client, run["task_id"])
    assert states(again) == expected
    ends = [[node["finished_at"] for node in each["graph"]["nodes"]] for each in (run, again)]
    changed = [a != b for a, b in zip(*ends, strict=True)]
    assert changed == [False, True, False, False]


def test_a_task_names_its_callbacks(client: httpx.Client, worker: Process) -> None:
    body = {"group": [ADD, ADD], "link": task("echo", "one is done"), "link_error": ECHO}
    graphs = [client.post("/canvas/preview", json=body).json()["graph"], start(client, "/canvas", body)["graph"]]
    for graph in graphs:
        first, success, error, second, other_error = (node["id"] for node in graph["nodes"])
        assert graph["tree"] == {
            "group": [
                {"task": first, "link": [{"task": success}], "link_error": [{"task": error}]},
                {"task": second, "link_error": [{"task": other_error}]},
            ]
        }


def test_a_chain_that_stops(client: httpx.Client) -> None:
    run = finished(client, start(client, "/canvas", {"chain": [ADD, task("xsum"), ECHO, ECHO]})["task_id"])
    assert states(run) == [("add", "SUCCESS"), ("xsum", "FAILURE"), ("echo", "SKIPPED"), ("echo", "SKIPPED")]
    assert run["verdict"].startswith("xsum failed: InvalidArgument: values: Input should be a valid list.")
    assert run["verdict"].endswith("The chain stopped at step 2: echo, echo never ran.")


def test_a_run_is_cancelled_and_retried(client: httpx.Client) -> None:
    run = start(client, "/canvas", {"chain": [task("sleep", 1), ECHO, ECHO]})
    path = f"/result/{run['task_id']}"
    wait_for(lambda: client.get(path).json()["status"] == "STARTED", what="the sleep")
    assert_problem(client.post(f"{path}/retry"), 409)
    member = run["graph"]["nodes"][1]["id"]
    assert client.post(f"/result/{member}/cancel").status_code == 202
    ended = finished(client, run["task_id"])
    assert (ended["status"], states(ended)) == (
        "REVOKED", [("sleep", "SUCCESS"), ("echo", "REVOKED"), ("echo", "REVOKED")],
    )  # fmt: skip
    assert_problem(client.post(f"{path}/cancel"), 409)
    assert client.post(f"{path}/retry").status_code == 202
    assert finished(client, run["task_id"])["result"] == 1


def test_a_running_task_is_killed(client: httpx.Client) -> None:
    run = start(client, "/canvas", {"chain": [task("sleep", 30), ECHO]})
    path = f"/result/{run['task_id']}"
    wait_for(lambda: client.get(path).json()["status"] == "STARTED", what="the sleep")
    assert client.post(f"{path}/cancel?terminate=true").status_code == 202
    ended = finished(client, run["task_id"])
    assert (ended["status"], states(ended)) == ("REVOKED", [("sleep", "REVOKED"), ("echo", "REVOKED")])
    assert ended["verdict"] == "sleep was killed while it ran. echo never ran."


def test_the_catalogue(client: httpx.Client) -> None:
    found = {each["task"]: each for each in client.get("/canvas/tasks").json()}
    assert found["add"]["parameters"] == ["x", "y"]
    assert {"add", "multiply", "xsum", "finalize", "echo", "request_info", "sleep", "fail", "flaky"} <= set(found)
    assert found["sleep"]["schema"]["properties"]["seconds"]["maximum"] == 30


@pytest.mark.parametrize("path", ["/canvas", "/canvas/preview"])
@pytest.mark.parametrize(
    "body", [{}, {"chain": []}, {"group": []}, {"chord": {"header": [], "body": ADD}}, {"task": "nope"}, [], {"x": 1}]
)
def test_a_broken_canvas(client: httpx.Client, path: str, body: Any) -> None:
    assert assert_problem(client.post(path, json=body), 422)["errors"]


@pytest.mark.parametrize(
    ("body", "place", "said"),
    [
        ({**ADD, "link": {"chain": [ECHO]}}, "link", "a callback is a task, or a list of tasks, and no chain"),
        ({**ADD, "link_error": [ECHO, {"group": [ECHO]}]}, "link_error", "a callback is a task, or a list of tasks,"),
        ({**ADD, "link": "echo"}, "link", "It must be a JSON object"),
        ({"chord": [[ADD], ECHO]}, "chord", "It must be a JSON object"),
        ({**ADD, "kwargs": []}, "kwargs", "It must be a JSON object"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_json(client: httpx.Client, body: Any, place: str, said: str) -> None:
    (error,) = assert_problem(client.post("/canvas", json=body), 422)["errors"]
    assert (error["loc"], error["msg"][: len(said)]) == (["body", place], said)


def test_an_unknown_run(client: httpx.Client) -> None:
    for action in ("cancel", "retry"):
        assert_problem(client.post(f"/result/{UUID(int=0)}/{action}"), 404)
    assert_problem(client.get(f"/result/{UUID(int=0)}/history"), 404)
    job = client.post("/jobs").json()["task_id"]
    assert assert_problem(client.get(f"/result/{job}/history"), 409)["code"] == "not_a_run"


def sleeping(client: httpx.Client, run: str) -> bool:
    """Whether the run's last header task is at work."""
    return bool(client.get(f"/result/{run}").json()["graph"]["nodes"][1]["state"] == "STARTED")


SLEEPY = {"chord": {"header": [ADD, task("sleep", 6)], "body": task("xsum")}}


def test_the_broker_is_emptied_in_mid_chord(client: httpx.Client, worker: Process) -> None:
    run = start(client, "/canvas", SLEEPY)["task_id"]
    wait_for(lambda: sleeping(client, run), what="the sleep")
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.flushall()
    lost = finished(client, run)
    assert (lost["status"], lost["error"]["type"]) == ("FAILURE", "Lost")
    assert "lost" in lost["verdict"]
    assert client.post(f"/result/{run}/retry").status_code == 202
    assert finished(client, run)["result"] == 11
