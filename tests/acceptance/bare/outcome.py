"""What became of a canvas, in a form in which bare Celery, the playground and an evaluation can be compared.

Ids are replaced by what the task is: its name and the arguments that it brings itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNKNOWN = "an id of no task"


@dataclass(frozen=True)
class Outcome:
    """The value as JSON text, and how often which task ran with which outcome.

    The value is `None` where it never came, and where it is null. `refused`: Celery could not publish it.
    """

    value: str | None
    runs: Counter[str]
    refused: bool = False

    def differences(self, other: Outcome) -> list[str]:
        """What is here and not there, in lines that begin with -, and the other way round, with +."""
        found = [f"- refused: {self.refused}", f"+ refused: {other.refused}"] if self.refused != other.refused else []
        if self.value != other.value:
            found += [f"- value: {self.value}", f"+ value: {other.value}"]
        found += [f"- {times} x {run}" for run, times in sorted((self.runs - other.runs).items())]
        return found + [f"+ {times} x {run}" for run, times in sorted((other.runs - self.runs).items())]


def outcome(value: str | None, runs: Iterable[str], *, refused: bool = False) -> Outcome:
    """The outcome of these runs."""
    return Outcome(None if value == "null" else value, Counter(runs), refused=refused)


def label(name: str, args: Any, kwargs: Any) -> str:
    """A task without its id: its name and its own arguments."""
    return f"{name}({json.dumps(args)}, {json.dumps(kwargs or {})})"


def label_of(task: dict[str, Any]) -> str:
    """The label of a task in a canvas as JSON. A chunk is named by its part of the list."""
    for kind in ("map", "starmap"):
        if kind in task:
            return label(f"celery.{kind}", [task[kind]["task"], task[kind]["it"]], {})
    return label(task["task"], task.get("args", []), task.get("kwargs"))


def label_at(canvas: Any, place: str) -> str:
    """The label of the task at a place such as `.chain[1].group[0]`."""
    for name, number in re.findall(r"\.(\w+)|\[(\d+)\]", place):
        if name in ("header", "body"):
            canvas = canvas["chord"][name]
        elif name == "chunks":
            chunks, canvas = canvas["chunks"], None
        elif name:
            canvas = canvas[name] if isinstance(canvas[name], list) else [canvas[name]]
        elif canvas is None:
            begin = int(number) * chunks["n"]
            return label("celery.starmap", [chunks["task"], chunks["it"][begin : begin + chunks["n"]]], {})
        else:
            canvas = canvas[int(number)]
    return label_of(canvas)


def run_of(name: str, state: str, tries: int, value: Any, error: str | None) -> str:
    """One run of a task, in words. How an unsuitable argument is refused is not Celery's business."""
    if error is not None and not error.startswith("RuntimeError: "):
        error = "an argument"
    return f"{name} x{tries} {state}: {json.dumps(value if error is None else error)}"


def without_ids(text: str, labels: dict[str, str]) -> str:
    """The text with every id replaced by the label of its task, as it stands in a JSON text."""
    return UUID.sub(lambda found: json.dumps(labels.get(found[0], UNKNOWN))[1:-1], text)


def of_bare(canvas: dict[str, Any], found: dict[str, Any]) -> Outcome:
    """The outcome under bare Celery, from what `python -m tests.acceptance.bare` wrote."""
    labels = found["labels"] or {task_id: label_at(canvas, place) for task_id, place in found["places"].items()}
    runs = (
        without_ids(run_of(labels[line["id"]], line["state"], line["tries"], line["value"], line["error"]), labels)
        for line in found["runs"]
    )
    value = without_ids(json.dumps(found["value"]), labels) if found["error"] is None else None
    return outcome(value, runs, refused=(found["error"] or "").startswith("refused: "))


def of_run(run: dict[str, Any]) -> Outcome:
    """The outcome here, from what `GET /result/{id}` says."""
    labels = {node["id"]: label(short(node["task"]), node["args"], node["kwargs"]) for node in run["graph"]["nodes"]}
    runs = Counter(
        without_ids(run_of(labels[node["id"]], node["state"], node["starts"], node["result"], error_of(node)), labels)
        for node in run["graph"]["nodes"]
        if node["state"] in ("SUCCESS", "FAILURE")
    )
    return outcome(without_ids(json.dumps(run["result"]), labels), runs)


def short(name: str) -> str:
    """A task's name in the catalogue; those of Celery itself stay."""
    return name if name.startswith("celery.") else name.rpartition(".")[2]


def error_of(node: dict[str, Any]) -> str | None:
    """The error of a node in one line."""
    return None if node["error"] is None else f"{node['error']['type']}: {node['error']['message']}"
