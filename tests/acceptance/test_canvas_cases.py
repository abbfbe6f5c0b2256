"""Canvases that once went wrong, each with what bare Celery makes of it, and canvases that are too much."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import text

from background.canvas.recorder import TASK_SECONDS
from tests.acceptance.bare.joined import FROM_5_7
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_playground import ECHO, states, task
from tests.support import Process, transaction, wait_for

pytestmark = pytest.mark.usefixtures("worker")
Json = dict[str, Any]


def chain(*parts: Json, **callbacks: Json) -> Json:
    """A chain of these parts."""
    return {"chain": list(parts), **callbacks}


def group(*members: Json, **callbacks: Json) -> Json:
    """A group of these members."""
    return {"group": list(members), **callbacks}


def chord(header: list[Json], body: Json) -> Json:
    """A chord."""
    return {"chord": {"header": header, "body": body}}


def run(client: httpx.Client, canvas: Json) -> Json:
    """The canvas once it has ended."""
    return finished(client, start(client, "/canvas", canvas)["task_id"])


def warned(client: httpx.Client, canvas: Json) -> set[str]:
    """The codes of the warnings that the preview gives."""
    return {warning["code"] for warning in client.post("/canvas/preview", json=canvas).json()["warnings"]}


# ------------------------------------------------------------------------------------------ what Celery makes of it


def test_a_header_of_one_is_a_header(client: httpx.Client) -> None:
    canvas = chord([task("add", 2, 3)], task("xsum"))
    assert run(client, canvas)["result"] == 5
    assert "header-of-one" in warned(client, canvas)


# Once in some thousand times Celery's own join leaves out a member that ends while it joins: its group was marked as
# ready before (`RedisBackend.on_chord_part_return`), so that nobody waits for it. And where the first of the group has
# ended before the last is sent, which sets the chord's size to that of the group (`group._apply_tasks`), nobody joins.
JOINED = ("Final result: [[1, 2], 9]", "Final result: [[1, 2], None]")
ENDS_IN_GROUP = chord([chain(task("echo", 1), group(ECHO, task("add", 1))), task("echo", 9)], task("finalize"))


def test_a_header_member_that_ends_in_a_group_is_a_list_in_its_place(client: httpx.Client) -> None:
    assert "group-ends-member" in warned(client, ENDS_IN_GROUP)
    ended = [run(client, ENDS_IN_GROUP) for _ in range(20)]
    joined = [each for each in ended if each["result"] in JOINED]
    assert len(joined) > 10
    assert {each["reason"]["code"] for each in ended if each not in joined} <= {"lost"}


@pytest.mark.timeout(6 * TASK_SECONDS)
def test_many_such_members_at_once_leave_every_worker_process_free(client: httpx.Client) -> None:
    """Each may have the end of its chord wait, in a worker process, for a task that is still in the queue.

    Where that is so in all processes at once, Celery would wait for ever: then the time limit of tasks frees them.
    """
    started = [start(client, "/canvas", ENDS_IN_GROUP)["task_id"] for _ in range(20)]
    results = [finished(client, task_id, seconds=4 * TASK_SECONDS)["result"] for task_id in started]
    assert set(results) <= {*JOINED, None}
    assert results.count(JOINED[0]) > len(results) / 2
    assert run(client, task("add", 1, 2))["result"] == 3


@pytest.mark.parametrize(
    ("first", "other", "result"),
    [(0, 3, [[0, 0], 3 if FROM_5_7 else None]), (0.6, 0.3, [[0.6, 0.6], 0.3])],
    ids=["late", "early"],
)
def test_beside_such_a_member_one_that_comes_late_is_none(
    client: httpx.Client, first: float, other: float, result: Any
) -> None:
    ends_in_group = chain(task("sleep", first), group(ECHO, ECHO))
    assert run(client, chord([ends_in_group, task("sleep", other)], ECHO))["result"] == result


def test_the_error_callback_of_a_body_is_called_when_a_nested_body_fails(client: httpx.Client) -> None:
    inner = chord([task("echo", 1), task("echo", 2)], task("fail", "inner body", immutable=True))
    outcome = run(client, chord([inner, task("echo", 3)], {**task("xsum"), "link_error": ECHO}))
    found = dict(zip([node["id"] for node in outcome["graph"]["nodes"]], states(outcome), strict=True))
    assert sorted(found.values()) == sorted([("echo", "SUCCESS")] * 4 + [("fail", "FAILURE"), ("xsum", "SKIPPED")])
    body = next(node["id"] for node in outcome["graph"]["nodes"] if node["task"].endswith(".xsum"))
    assert body in [node["result"] for node in outcome["graph"]["nodes"]]


def test_the_error_callback_of_a_chain_that_fails_in_its_second_header_is_that_of_the_body(
    client: httpx.Client,
) -> None:
    """Celery tells it of a body that gets its id when it is published: no task of the run has that, nor any group."""
    failing = group(task("fail", "no", immutable=True), ECHO)
    outcome = run(
        client, chain(chord([task("echo", 1)], ECHO), failing, task("xsum"), ECHO, link_error=task("finalize"))
    )
    nodes = {node["id"]: node for node in outcome["graph"]["nodes"]}
    ran = [id_ for id_, node in nodes.items() if node["task"].endswith(".finalize") and node["state"] == "SUCCESS"]
    assert [nodes[id_]["starts"] for id_ in ran] == [1]
    assert [
        nodes[before]["task"].rpartition(".")[2] for before, after in outcome["graph"]["edges"] if after in ran
    ] == ["xsum"]
    assert outcome["reason"]["called"]["tasks"] == [{"id": ran[0], "name": "finalize", "times": 1}]


def test_a_failure_that_celery_never_tells_the_chord_of_ends_the_run(client: httpx.Client) -> None:
    failing = chain(task("fail", "first"), chord([ECHO, ECHO], ECHO))
    outcome = run(client, chord([failing, task("echo", 5)], {**task("xsum"), "link_error": ECHO}))
    assert outcome["status"] == "FAILURE"
    called = Counter(states(outcome))["echo", "SUCCESS"] - 1
    assert called == (1 if FROM_5_7 else 0)
    assert Counter(states(outcome))["echo", "SKIPPED"] == 4 - called
    assert client.post(f"/result/{outcome['task_id']}/retry").status_code == 202
    assert finished(client, outcome["task_id"])["status"] == "FAILURE"


def test_a_killed_group_is_retried_with_the_group_after_it(client: httpx.Client) -> None:
    started = start(client, "/canvas", chain(group(task("sleep", 2), task("sleep", 2)), group(ECHO, ECHO)))
    path = f"/result/{started['task_id']}"
    wait_for(lambda: client.get(path).json()["status"] == "STARTED", what="the sleep")
    assert client.post(f"{path}/cancel?terminate=true").status_code == 202
    assert finished(client, started["task_id"])["status"] == "REVOKED"
    assert client.post(f"{path}/retry").status_code == 202
    again = finished(client, started["task_id"])
    assert (again["status"], again["result"]) == ("SUCCESS", [[2, 2], [2, 2]]), again["verdict"]


@pytest.mark.parametrize(
    "value",
    [
        {"__type__": "point", "__value__": [1, 2]},
        {"__type__": "datetime", "__value__": "2024-01-01T00:00:00"},
        {"__type__": "uuid", "__value__": {"hex": "0" * 32}},
        [{"__type__": "bytes", "__value__": "!"}],
        {"__type__": "literal", "__value__": 5},
        {"__type__": "literal", "__value__": [["a", 1]]},
        {"__type__": {"__type__": "literal", "__value__": []}, "__value__": {"__type__": "literal", "__value__": 1}},
    ],
)
def test_a_value_that_looks_like_one_of_kombus_own_stays_as_it_is(client: httpx.Client, value: Any) -> None:
    once = run(client, task("echo", value))
    assert once["result"] == value
    assert once["canvas"]["args"] == once["graph"]["nodes"][0]["args"] == [value]
    assert run(client, chain(task("echo", value), ECHO))["result"] == value
    assert run(client, chord([task("echo", value), task("echo", 1)], ECHO))["result"] == [value, 1]


def test_a_nested_group_in_a_header_is_unrolled_backwards(client: httpx.Client) -> None:
    canvas = chord([group(task("echo", 1), task("echo", 2)), task("echo", 3)], task("finalize"))
    assert run(client, canvas)["result"] == "Final result: [2, 1, 3]"
    assert "nested-group-reversed" in warned(client, canvas)


# ------------------------------------------------------------------------------------------ too much


@pytest.fixture
def _nothing_is_recorded(client: httpx.Client) -> Iterator[None]:
    """What is refused leaves no run, and the list of runs can be read."""
    before = client.get("/runs?limit=1").json()
    yield
    assert client.get("/runs?limit=1").json() == before


def refused(client: httpx.Client, canvas: Json) -> set[str]:
    """The types of the errors with which both the preview and the run are refused."""
    found = [assert_problem(client.post(path, json=canvas), 422) for path in ("/canvas/preview", "/canvas")]
    assert found[0]["errors"] == found[1]["errors"]
    return {error["type"] for error in found[0]["errors"]}


PAIR = (group(task("echo", 1, immutable=True), task("echo", 2, immutable=True)), task("xsum"))


@pytest.mark.skipif(FROM_5_7, reason="Celery 5.7 joins them to one chain, which grows with their number only.")
@pytest.mark.usefixtures("_nothing_is_recorded")
@pytest.mark.parametrize("pairs", [8, 20])
def test_a_row_of_chords_is_refused_for_the_bytes_that_celery_would_publish(client: httpx.Client, pairs: int) -> None:
    canvas = chain(*PAIR * pairs)
    (error,) = assert_problem(client.post("/canvas", json=canvas), 422)["errors"]
    assert error["type"] == "canvas_bytes"
    assert error["values"]["bytes"] > error["values"]["limit"]
    assert refused(client, canvas) == {"canvas_bytes"}


@pytest.mark.usefixtures("_nothing_is_recorded")
def test_forty_groups_in_a_row_are_refused(client: httpx.Client) -> None:
    assert refused(client, chain(*[group(ECHO, ECHO)] * 40)) <= {"canvas_bytes", "arguments"}
    first = group(task("echo", 1), task("echo", 2))
    assert refused(client, chain(first, *[group(ECHO, ECHO)] * 39)) == {"canvas_bytes"}


@pytest.mark.usefixtures("_nothing_is_recorded")
def test_chords_as_bodies_of_chords_are_refused_below_the_eighth_layer(client: httpx.Client) -> None:
    canvas = ECHO
    for _ in range(12):
        canvas = chord([task("echo", 1, immutable=True), task("echo", 2, immutable=True)], canvas)
    assert refused(client, canvas) == {"canvas_depth"}


@pytest.mark.usefixtures("_nothing_is_recorded")
@pytest.mark.parametrize("number", [17, 64, 300])
def test_a_row_of_chords_is_refused_for_the_levels_that_celery_would_build(client: httpx.Client, number: int) -> None:
    once = task("echo", 1, immutable=True)
    assert refused(client, chain(*[chord([once, once], once)] * number)) == {"canvas_levels"}


@pytest.mark.usefixtures("_nothing_is_recorded")
@pytest.mark.parametrize(
    ("many", "status"),
    [({"chunks": {"task": "echo", "it": [[1]] * 300_000, "n": 1}}, 422), (group(*[ECHO] * 300_000), 413)],
    ids=["chunks", "group"],
)
def test_three_hundred_thousand_tasks_are_refused_while_others_are_answered(
    client: httpx.Client, many: Json, status: int
) -> None:
    body = json.dumps(many, separators=(",", ":")).encode()
    answers, asked, done = list[int](), threading.Event(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=30) as other:
            while not done.is_set():
                answers.append(other.get("/canvas/tasks").status_code)
                asked.set()

    asking = threading.Thread(target=ask)
    asking.start()
    asked.wait()
    answer = client.post("/canvas", content=body, headers={"content-type": "application/json"})
    done.set()
    asking.join()
    assert set(answers) == {200}
    assert_problem(answer, status)
    assert [error["type"] for error in answer.json().get("errors", [])] == ["canvas_tasks"] * (status == 422)


@pytest.mark.parametrize(("name", "parameter"), [("sleep", "seconds"), ("flaky", "times")])
def test_a_value_that_is_handed_on_is_checked_when_the_task_begins(
    client: httpx.Client, name: str, parameter: str
) -> None:
    outcome = run(client, chain(task("echo", 1_000_000_000), task(name)))
    assert states(outcome) == [("echo", "SUCCESS"), (name, "FAILURE")]
    assert parameter in outcome["error"]["message"]
    assert outcome["graph"]["nodes"][1]["starts"] == 1


def test_a_text_is_not_multiplied(client: httpx.Client) -> None:
    outcome = run(client, chain(task("echo", "x" * 1000), task("multiply", 400_000)))
    assert states(outcome) == [("echo", "SUCCESS"), ("multiply", "FAILURE")]
    assert re.search(r"\bx\b", outcome["error"]["message"])
    assert len(outcome["error"]["message"]) < 1000


def test_a_result_over_the_limit_fails_the_task_that_gave_it(client: httpx.Client) -> None:
    outcome = run(client, chain(task("echo", "x" * 400_000), group(ECHO, ECHO, ECHO), task("echo"), task("finalize")))
    assert outcome["status"] == "FAILURE"
    assert "MAX_OUTPUT_BYTES" in outcome["error"]["message"]
    assert [state for _, state in states(outcome)] == ["SUCCESS"] * 4 + ["FAILURE", "SKIPPED"]


# ------------------------------------------------------------------------------------------ too deep


def nested(levels: int) -> str:
    """JSON text of a list so many levels deep."""
    return "[" * levels + "1" + "]" * levels


@pytest.mark.usefixtures("_nothing_is_recorded")
@pytest.mark.parametrize("levels", [65, 260, 500, 5000])
def test_an_argument_too_deep_is_refused(client: httpx.Client, levels: int) -> None:
    deep = {
        "/canvas": '{"task":"echo","args":[%s]}',
        "/canvas/preview": '{"task":"echo","args":[%s]}',
        "/test-request-info": '{"data":%s}',
    }
    for path, body in deep.items():
        answer = client.post(path, content=body % nested(levels), headers={"content-type": "application/json"})
        assert_problem(answer, 422)
    inside = chord([task("echo", 1)], task("echo", "VALUE", immutable=True))
    body = json.dumps({**chain(inside), "link": task("echo", "VALUE", immutable=True)}).replace(
        '"VALUE"', nested(levels)
    )
    assert_problem(client.post("/canvas", content=body, headers={"content-type": "application/json"}), 422)
    assert client.get("/runs").status_code == 200


def test_a_result_that_grows_too_deep_hides_no_run_and_ends_no_worker(client: httpx.Client) -> None:
    value = json.loads(nested(55))
    member = task("echo")
    outcome = run(client, chain(task("echo", value), *[group(member, task("echo", 1, immutable=True))] * 5, ECHO))
    assert outcome["ready"]
    assert run(client, task("request_info", json.loads(nested(58))))["ready"]
    assert client.get("/runs").status_code == client.get("/runs?graph=true").status_code == 200
    assert run(client, task("echo", 1))["result"] == 1


def test_a_run_too_deep_to_be_shown_is_told_without_its_graph_and_hides_no_other(client: httpx.Client) -> None:
    other, deep = (run(client, task("echo", number))["task_id"] for number in range(2))
    tree: Json = {"task": deep}
    for _ in range(150):
        tree = {"chain": [tree]}
    with transaction() as connection:
        deepen = text("UPDATE runs SET tree = CAST(:tree AS json) WHERE task_id = :id")
        connection.execute(deepen, {"tree": json.dumps(tree), "id": deep})
    for path in ("/runs?limit=2", "/runs?limit=2&graph=true"):
        assert [each["task_id"] for each in client.get(path).json()] == [deep, other]
    shown = client.get(f"/result/{deep}").json()
    assert (shown["result"], shown["graph"]) == (1, None)
    assert client.get(f"/result/{deep}/events", headers={"Last-Event-ID": "1"}).status_code == 200
    client.delete(f"/result/{deep}").raise_for_status()


# ------------------------------------------------------------------------------------------ ids


def leads_to(client: httpx.Client, handed_out: str, outcome: Json) -> None:
    """The id leads to the run, also once that is retried."""
    assert client.get(f"/result/{handed_out}").json()["task_id"] == outcome["task_id"]


def test_an_id_that_an_error_callback_is_given_leads_to_its_run(client: httpx.Client) -> None:
    body = chain(ECHO, task("xsum"), link_error=ECHO)
    outcome = run(client, chord([task("fail", "m")], body))
    # Celery 5.6 calls it once, 5.7 for each task of the chain.
    handed_out = [node["result"] for node in outcome["graph"]["nodes"] if node["result"] is not None]
    assert handed_out
    for given in handed_out:
        leads_to(client, given, outcome)
    assert client.post(f"/result/{handed_out[0]}/retry").status_code == 202
    leads_to(client, handed_out[0], finished(client, outcome["task_id"]))


TOLD = task("request_info", immutable=True, kwargs={"data": None})


@pytest.mark.parametrize(
    "canvas",
    [
        chord([TOLD, TOLD], TOLD),
        chain(TOLD, group(TOLD, TOLD), TOLD),
        chord([TOLD, chord([TOLD, TOLD], TOLD)], TOLD),
        chain(group(TOLD, TOLD), group(TOLD, TOLD), TOLD),
        chord([TOLD, chain(TOLD, group(TOLD, TOLD))], TOLD),
        chord([TOLD, TOLD], group(TOLD, TOLD)),
        chain(TOLD, group(TOLD, TOLD)),
        group(TOLD, chain(TOLD, group(TOLD, TOLD))),
    ],
)
def test_the_ids_of_groups_that_tasks_are_told_lead_to_their_run(client: httpx.Client, canvas: Json) -> None:
    outcome = run(client, canvas)
    groups = {node["result"]["group"] for node in outcome["graph"]["nodes"]} - {None}
    assert groups
    for each in groups:
        leads_to(client, each, outcome)


# ------------------------------------------------------------------------------------------ again


def test_a_task_that_is_cancelled_and_retried_while_it_waits_runs_once(client: httpx.Client, worker: Process) -> None:
    busy = [start(client, "/canvas", task("sleep", 1.5))["task_id"] for _ in range(8)]
    waiting = start(client, "/canvas", task("echo", str(uuid4())))["task_id"]
    for _ in range(3):
        assert client.post(f"/result/{waiting}/cancel").status_code == 202
        wait_for(lambda: client.get(f"/result/{waiting}").json()["ready"], what="the cancelling")
        assert client.post(f"/result/{waiting}/retry").status_code == 202
    outcome = finished(client, waiting)
    assert (outcome["status"], outcome["error"]) == ("SUCCESS", None)
    (node,) = outcome["graph"]["nodes"]
    assert (node["starts"], worker.output.count(f"'{node['result']}'")) == (1, 1)
    assert {finished(client, task_id)["status"] for task_id in busy} == {"SUCCESS"}


HANDED_ON = [
    task("multiply", 1e200, 1e200),
    task("echo", 1e22),
    task("echo", {"bb": 1, "a": 2}),
    task("echo", -0.0),
    task("echo", 1e300),
    task("echo", {"__type__": "datetime", "__value__": "2024-01-01T00:00:00"}),
    task("echo", int("7" * 4000)),
]


@pytest.mark.parametrize("first", HANDED_ON, ids=lambda first: json.dumps(first["args"])[:40])
def test_a_retry_hands_on_what_the_task_returned(client: httpx.Client, first: Json) -> None:
    name = f"{uuid4()}.txt"
    canvas = chord([first, task("extract", name)], task("finalize"))
    failed = run(client, canvas)
    assert failed["status"] == "FAILURE"
    client.post("/documents", files={"file": (name, b"It comes late.")}).raise_for_status()
    assert client.post(f"/result/{failed['task_id']}/retry").status_code == 202
    again, straight = finished(client, failed["task_id"]), run(client, canvas)
    client.delete(f"/documents/{name}").raise_for_status()
    assert (again["status"], again["result"]) == (straight["status"], straight["result"])
    first_again, first_before = again["graph"]["nodes"][0], failed["graph"]["nodes"][0]
    assert {**first_again, "id": None} == {**first_before, "id": None}
