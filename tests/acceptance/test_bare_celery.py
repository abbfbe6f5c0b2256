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

from tests.acceptance.bare.evaluation import Evaluation, Mixed, Unevaluated
from tests.acceptance.bare.generator import Generator, tasks_in
from tests.acceptance.bare.outcome import Outcome, of_bare, of_run
from tests.acceptance.bare.running import run_bare, running_bare_worker
from tests.acceptance.test_canvas import finished
from tests.support import running_worker

NUMBER = 500
SEED = 20264
MOST_CHANCE = 10
"""So few canvases may be a matter of chance under bare Celery."""

pytestmark = pytest.mark.timeout(400)
Json = dict[str, Any]


def bare_outcomes(canvases: list[Json]) -> list[Outcome]:
    """What becomes of each under bare Celery."""
    return [of_bare(canvas, found) for canvas, found in zip(canvases, run_bare(canvases), strict=True)]


def our_runs(client: httpx.Client, canvases: list[Json]) -> list[Json | None]:
    """Each run here once it has ended; `None` for one that was refused."""
    answers = [client.post("/canvas", json=canvas) for canvas in canvases]
    assert {answer.status_code for answer in answers} <= {202, 422}, Counter(each.status_code for each in answers)
    return [finished(client, each.json()["task_id"]) if each.status_code == 202 else None for each in answers]


def our_outcome(run: Json | None) -> Outcome:
    """What became of a run here."""
    return Outcome(None, Counter(), refused=True) if run is None else of_run(run)


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
    """Task ids with what a worker's log says of them: received, succeeded, raised."""
    for line in log.splitlines():
        if found := re.search(r"\[([0-9a-f-]{36})\] (received|succeeded|raised)", line):
            yield found[1], found[2]


def assert_the_log_says_the_same(runs: list[Json | None], log: str) -> None:
    """Each node began, succeeded and failed as often as the worker that ran it has logged."""
    lines = Counter(logged(log))
    for node in (node for run in runs if run for node in run["graph"]["nodes"]):
        ended = {"SUCCESS": (1, 0), "FAILURE": (0, 1)}.get(node["state"], (0, 0))
        assert (lines[node["id"], "succeeded"], lines[node["id"], "raised"]) == ended, node
        assert lines[node["id"], "received"] == node["starts"], node


def test_five_hundred_canvases_beside_bare_celery(client: httpx.Client, tmp_path: Path) -> None:
    canvases = Generator(SEED).canvases(NUMBER)
    with running_bare_worker(tmp_path / "bare.log"):
        bare = bare_outcomes(canvases)
        with running_worker(tmp_path / "ours.log") as worker:
            runs = our_runs(client, canvases)
            log = worker.output
        ours = [our_outcome(run) for run in runs]
        mixed = [at for at, canvas in enumerate(canvases) if is_mixed(canvas)]
        different = [at for at in range(NUMBER) if bare[at] != ours[at] and at not in mixed]
        chance = by_chance([canvases[at] for at in different], [bare[at] for at in different])
    wrong = [at for at, is_chance in zip(different, chance, strict=True) if not is_chance]
    shown = "\n".join(told(canvases[at], bare[at].differences(ours[at])) for at in wrong[:20])
    assert not wrong, f"{len(wrong)} of {NUMBER} differ from bare Celery:\n{shown}"
    assert sum(chance) + len(mixed) <= MOST_CHANCE
    assert_the_log_says_the_same([run for at, run in enumerate(runs) if at not in mixed], log)


def test_the_generated_canvases_have_all_that_a_canvas_can_have() -> None:
    canvases = Generator(SEED).canvases(NUMBER)
    text = json.dumps(canvases)
    words = "chain group chord map starmap chunks link link_error immutable ignore_result countdown retries kwargs"
    assert {word: text.count(f'"{word}":') >= 20 for word in words.split()} == dict.fromkeys(words.split(), True)
    names = Counter(task["task"] for canvas in canvases for task in tasks_in(canvas))
    assert min(names[name] for name in ("add", "multiply", "xsum", "finalize", "echo", "sleep", "fail", "flaky")) >= 20
