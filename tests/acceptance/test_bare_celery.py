"""Five hundred random canvases beside bare Celery: values, and who ran how often with which outcome.

Bare Celery is an application of its own with nothing of ours in it (`tests.acceptance.bare`). Both run the same JSON
on the same Redis. Only where bare Celery is a matter of chance is a canvas left out, and counted: where it differs
from itself when asked again, and where it publishes a part several times under the same ids (`Mixed`).
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from background.intake.messages import RETRIES_HEADER as OUR_HEADER
from background.task_names import TaskName
from tests.acceptance.bare.evaluation import Evaluation, Mixed, Unevaluated
from tests.acceptance.bare.generator import NUMBER, Generator, tasks_in
from tests.acceptance.bare.outcome import Outcome, of_bare, of_run
from tests.acceptance.bare.running import run_bare, running_bare_worker
from tests.acceptance.test_canvas import finished
from tests.support import running_worker

SEED = 20264
RETRIES_HEADER = "bare_retries"
MOST_CHANCE = 10
"""So few canvases may be a matter of chance under bare Celery."""

pytestmark = pytest.mark.timeout(400)
Json = dict[str, Any]


def bare_outcomes(canvases: list[Json]) -> list[Outcome]:
    """What becomes of each under bare Celery."""
    return [of_bare(canvas, found) for canvas, found in zip(canvases, run_bare(canvases), strict=True)]


def submitted(client: httpx.Client, canvases: list[Json]) -> list[httpx.Response]:
    """The answer to each: accepted, or refused."""
    answers = [client.post("/canvas", json=canvas) for canvas in canvases]
    assert {answer.status_code for answer in answers} <= {202, 422}, Counter(each.status_code for each in answers)
    return answers


def our_runs(client: httpx.Client, answers: list[httpx.Response]) -> list[Json | None]:
    """Each run here once it has ended; `None` for one that was refused."""
    return [finished(client, each.json()["task_id"]) if each.status_code == 202 else None for each in answers]


def our_outcome(run: Json | None) -> Outcome:
    """What became of a run here."""
    return Outcome(None, Counter(), refused=True) if run is None else of_run(run)


def never_works(answer: httpx.Response) -> bool:
    """Whether a canvas was refused because of what Celery makes of it.

    It would publish a part of it several times under the same ids, or hand nothing to a task that needs something.
    """
    if answer.status_code != 422:
        return False
    return {"canvas_repeats", "arguments"} & {error["type"] for error in answer.json()["errors"]} != set()


def told(canvas: Json, differences: list[str]) -> str:
    """A canvas and how the two differ: bare Celery -, here +."""
    return "\n  ".join([json.dumps(canvas, ensure_ascii=False), *differences])


def by_chance(canvases: list[Json], outcomes: list[Outcome]) -> list[bool]:
    """Whether bare Celery, asked twice more, does something else with a canvas."""
    again = [bare_outcomes(canvases), bare_outcomes(canvases)] if canvases else []
    return [any(other[at] != outcome for other in again) for at, outcome in enumerate(outcomes)]


def is_mixed(canvas: Json) -> bool:
    """Whether Celery publishes a part of it several times under the same ids."""
    try:
        Evaluation(canvas)
    except Unevaluated as unevaluated:
        return isinstance(unevaluated, Mixed)
    return False


def logged(log: str) -> Iterator[tuple[str, str]]:
    """Task ids with what a worker's log says of them: received, succeeded, raised; without wake-ups for jobs."""
    said = re.compile(r"\[([0-9a-f-]{36})\] (received|succeeded|raised)")
    for line in log.splitlines():
        if TaskName.RUN_JOB not in line and (found := said.search(line)):
            yield found[1], found[2]


def recorded(node: Json) -> Counter[str]:
    """The lines of a worker's log that a node stands for."""
    ended = {"SUCCESS": "succeeded", "FAILURE": "raised"}.get(node["state"])
    return +Counter({"received": node["starts"], **({ended: 1} if ended else {})})


def assert_the_log_says_the_same(client: httpx.Client, runs: list[Json | None], log: str) -> None:
    """Each node began, succeeded and failed as often as the worker that ran it has logged.

    Where Celery calls a task several times under one id that holds of all calls of the run together.
    """
    lines: dict[str, Counter[str]] = {}
    for id_, word in logged(log):
        lines.setdefault(id_, Counter())[word] += 1
    known = {node["id"] for run in runs if run for node in run["graph"]["nodes"]}
    shared: dict[str, Counter[str]] = {}
    for id_ in lines.keys() - known:
        answer = client.get(f"/result/{id_}")
        assert answer.status_code == 200, f"{id_} ran, and was never submitted"
        run_id = answer.json().get("run_id", answer.json()["task_id"])
        shared.setdefault(run_id, Counter()).update(lines[id_])
    for run in filter(None, runs):
        nodes = run["graph"]["nodes"]
        calls = [node for node in nodes if node["id"] not in lines and node["starts"]]
        assert sum(map(recorded, calls), Counter()) == shared.get(run["task_id"], Counter()), run
        wrong = [node for node in nodes if node not in calls and recorded(node) != lines.get(node["id"], Counter())]
        assert not wrong, wrong


def test_generated_canvases_beside_bare_celery(client: httpx.Client, tmp_path: Path) -> None:
    canvases = Generator(SEED).canvases(NUMBER)
    with running_bare_worker(tmp_path / "bare.log"):
        bare = bare_outcomes(canvases)
        with running_worker(tmp_path / "ours.log") as worker:
            answers = submitted(client, canvases)
            runs = our_runs(client, answers)
            log = worker.output
        ours = [our_outcome(run) for run in runs]
        mixed = [at for at in range(NUMBER) if is_mixed(canvases[at]) or never_works(answers[at])]
        different = [at for at in range(NUMBER) if bare[at] != ours[at] and at not in mixed]
        chance = by_chance([canvases[at] for at in different], [bare[at] for at in different])
    wrong = [at for at, is_chance in zip(different, chance, strict=True) if not is_chance]
    shown = "\n".join(told(canvases[at], bare[at].differences(ours[at])) for at in wrong[:20])
    assert not wrong, f"{len(wrong)} of {NUMBER} differ from bare Celery:\n{shown}"
    assert sum(chance) + len(mixed) <= MOST_CHANCE
    assert_the_log_says_the_same(client, [run for at, run in enumerate(runs) if at not in mixed], log)


ONE, TWO = ({"task": "echo", "args": [number]} for number in (1, 2))
ECHO: Json = {"task": "echo"}
NO: Json = {"task": "fail", "args": ["no"]}
CALLED: Json = {"task": "finalize"}
LIST: Json = {"chain": [{"group": [ONE, TWO]}]}
ADDED: Json = {"starmap": {"task": "add", "it": [[1, 2]]}}
IN_CHUNKS: Json = {"chunks": {"task": "add", "it": [[1, 2], [3, 4]], "n": 1}}
BOTH_ASKED: Json = {"chord": {"header": [NO], "body": {"chain": [ECHO, ECHO], "link_error": CALLED}}}
FAILING: Json = {"chord": {"header": [{**NO, "immutable": True}], "body": {**ECHO, "link_error": CALLED}}}
ODD_TO_WRITE: list[Json] = [
    # A group that is the only step of a chain is a list of its own.
    {"group": [LIST, {"task": "echo", "args": [3]}]},
    {"chord": {"header": [LIST], "body": ECHO}},
    {"group": [ONE, {"chain": [{"group": [{"group": [TWO]}]}]}]},
    # A map that is applied by itself forgets its callbacks.
    {"chain": [{"starmap": {"task": "add", "it": [[1, 2]]}}], "link": CALLED},
    # What a chord or a chain calls hangs on the map or the chunks at its end, also where the canvas is shown so.
    {"group": [{"chord": {"header": [ONE], "body": ADDED}, "link": CALLED}, BOTH_ASKED]},
    {"group": [{"chord": {"header": [ONE], "body": IN_CHUNKS}, "link": {**CALLED, "args": [3]}}, BOTH_ASKED]},
    {"group": [{"chain": [ONE, ADDED], "link": [CALLED, ECHO]}, BOTH_ASKED]},
    # The error callbacks of a body are called when its header fails, those of a step of it are not.
    {"chord": {"header": [NO], "body": {"chain": [ECHO, ECHO], "link_error": CALLED}}},
    {"chord": {"header": [NO], "body": {"chain": [{**ECHO, "link_error": CALLED}, ECHO]}}},
    {"chord": {"header": [NO], "body": {"chain": [{**ECHO, "link_error": CALLED}]}}},
    {"chord": {"header": [NO], "body": {"chain": [{"chord": {"header": [ECHO], "body": ECHO}}], "link_error": CALLED}}},
    {"chain": [{"chord": {"header": [NO], "body": {**ECHO, "link_error": CALLED}}}, ECHO]},
    {"chain": [{"chord": {"header": [NO], "body": {**ECHO, "link_error": CALLED}}}, {"group": [ECHO, ECHO]}]},
    {"chain": [{"chord": {"header": [ONE], "body": FAILING}}, {"group": [ECHO, ECHO]}]},
    {"chain": [{"chord": {"header": [ONE], "body": {"chord": {"header": [ECHO], "body": FAILING}}}}, LIST, ECHO]},
    {
        "chain": [
            {"group": [ONE, TWO]},
            {"chord": {"header": [ECHO, {**NO, "immutable": True}], "body": {**ECHO, "link_error": CALLED}}},
            {"chord": {"header": [ECHO], "body": ECHO}},
        ]
    },
    # The last group comes after each member of the second under the same ids; written once more it is another one.
    {"chain": [{"group": [ONE, TWO]}, {"group": [ECHO, ECHO]}, {"chain": [{"group": [ECHO, CALLED]}]}]},
    # What a chain calls when it fails is asked of the first body alone, and not of the second.
    {
        "chain": [
            {"group": [ONE, TWO]},
            {"chord": {"header": [ECHO, ECHO], "body": {"chain": [{**CALLED, "ignore_result": True}]}}},
            {"chain": [{"chain": [ECHO]}, {"chord": {"header": [ECHO, ECHO], "body": ECHO}}]},
        ],
        "link_error": CALLED,
    },
]
"""Of each of these another one can be written that looks alike."""


def test_what_is_shown_as_python_does_the_same(client: httpx.Client, tmp_path: Path) -> None:
    answers = {
        json.dumps(canvas): client.post("/canvas/preview", json=canvas)
        for canvas in ODD_TO_WRITE + Generator(SEED + 2).canvases(NUMBER)
        if not is_mixed(canvas)
    }
    assert {answer.status_code for answer in answers.values()} <= {200, 422}
    codes = {text: answer.json()["code"] for text, answer in answers.items() if answer.status_code == 200}
    assert len(codes) > NUMBER * 3 / 4
    canvases = [json.loads(text) for text in codes]
    written = [{"code": code.replace(OUR_HEADER, RETRIES_HEADER)} for code in codes.values()]
    with running_bare_worker(tmp_path / "bare.log"):
        bare, shown = bare_outcomes(canvases), bare_outcomes(written)
        different = [at for at in range(len(canvases)) if bare[at] != shown[at]]
        chance = by_chance([canvases[at] for at in different], [bare[at] for at in different])
    wrong = [at for at, is_chance in zip(different, chance, strict=True) if not is_chance]
    assert not wrong, "\n".join(
        [written[at]["code"] + "\n" + told(canvases[at], bare[at].differences(shown[at])) for at in wrong[:20]]
    )


def test_the_generated_canvases_have_all_that_a_canvas_can_have() -> None:
    canvases = Generator(SEED).canvases(NUMBER)
    text = json.dumps(canvases)
    words = "chain group chord map starmap chunks link link_error immutable ignore_result countdown retries kwargs"
    assert {word: text.count(f'"{word}":') >= NUMBER // 25 for word in words.split()} == dict.fromkeys(
        words.split(), True
    )
    names = Counter(task["task"] for canvas in canvases for task in tasks_in(canvas))
    assert (
        min(names[name] for name in ("add", "multiply", "xsum", "finalize", "echo", "sleep", "fail", "flaky"))
        >= NUMBER // 25
    )
