"""Small canvases that surprise people: what bare Celery does with each, and a table of it for each version.

`docs/celery-versions.md` is written from here: one column for each version under which the tests have run.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.bare.outcome import label_at

Json = dict[str, Any]
ECHO: Json = {"task": "echo"}
XSUM: Json = {"task": "xsum"}
ONE: Json = {"task": "echo", "args": [1]}
TWO: Json = {"task": "echo", "args": [2]}
FAIL: Json = {"task": "fail", "args": ["no"]}
CALLED: Json = {"task": "finalize", "args": ["called"], "immutable": True}


class Surprise(NamedTuple):
    """What is asked, and the canvas that answers it."""

    question: str
    canvas: Json


SURPRISES = [
    Surprise(
        "A chord with a header of one: what is its body given?",
        {"chord": {"header": [ONE], "body": ECHO}},
    ),
    Surprise(
        "A group of one in a chain: what does the next task get?",
        {"chain": [{"group": [ONE]}, ECHO]},
    ),
    Surprise(
        "A group of a group of one in a chain?",
        {"chain": [{"group": [{"group": [ONE]}]}, ECHO]},
    ),
    Surprise(
        "A nested group: in which order do the values come?",
        {"group": [{"group": [ONE, TWO]}, {"task": "echo", "args": [3]}]},
    ),
    Surprise(
        "And in a chord's header?",
        {"chord": {"header": [{"group": [ONE, TWO]}, {"task": "echo", "args": [3]}], "body": ECHO}},
    ),
    Surprise(
        "A group whose only member ends in a group: a list of one list?",
        {"group": [{"chain": [ONE, {"group": [ECHO, ECHO]}]}]},
    ),
    Surprise(
        "A header member that ends in a group, beside one that comes later: is that waited for?",
        {
            "chord": {
                "header": [{"chain": [ONE, {"group": [ECHO, ECHO]}]}, {"task": "sleep", "args": [3]}],
                "body": ECHO,
            }
        },
    ),
    Surprise(
        "A chain of nothing but a group as a chord's body: are its members given the results?",
        {"chord": {"header": [ONE], "body": {"chain": [{"group": [ECHO, ECHO]}]}}},
    ),
    Surprise(
        "A header task fails: is the error callback of the body called, which never runs?",
        {"chord": {"header": [FAIL, ONE], "body": {**XSUM, "link_error": CALLED}}},
    ),
    Surprise(
        "Two header tasks fail: how often?",
        {"chord": {"header": [FAIL, FAIL], "body": {**XSUM, "link_error": CALLED}}},
    ),
    Surprise(
        "A nested chord's body fails: is the outer one told?",
        {
            "chord": {
                "header": [{"chord": {"header": [ONE], "body": {**FAIL, "immutable": True}}}, TWO],
                "body": {**XSUM, "link_error": CALLED},
            }
        },
    ),
    Surprise(
        "A nested chord's header fails: is the outer one told? (celery#9674)",
        {
            "chord": {
                "header": [{"chord": {"header": [FAIL], "body": ECHO}}, TWO],
                "body": {**XSUM, "link_error": CALLED},
            }
        },
    ),
    Surprise(
        "A header member fails before its chord: is the outer one told?",
        {
            "chord": {
                "header": [{"chain": [FAIL, {"chord": {"header": [ECHO], "body": ECHO}}]}, TWO],
                "body": {**XSUM, "link_error": CALLED},
            }
        },
    ),
    Surprise(
        "`link` on a group: is it called when the group is done?",
        {"group": [ONE, FAIL], "link": CALLED},
    ),
    Surprise(
        "And when its first task fails?",
        {"group": [FAIL, ONE], "link": CALLED},
    ),
    Surprise(
        "`link_error` on a group, and two fail: how often is it called?",
        {"group": [FAIL, ONE, FAIL], "link_error": CALLED},
    ),
    Surprise(
        "A chain of one chain: are the callbacks of the inner one called?",
        {"chain": [{"chain": [ONE, ECHO], "link": CALLED}]},
    ),
    Surprise(
        "`link` on a chain that begins with a chord?",
        {"chain": [{"chord": {"header": [ONE], "body": XSUM}}, ECHO], "link": CALLED},
    ),
    Surprise(
        "A task with an ignored result that is tried again: is its result stored?",
        {"task": "flaky", "args": [1], "ignore_result": True},
    ),
    Surprise(
        "Ignored results in a header: does the body get them?",
        {"chord": {"header": [{**ONE, "ignore_result": True}, {**TWO, "ignore_result": True}], "body": ECHO}},
    ),
    Surprise(
        "A number with an exponent, a negative zero, an order of keys: do they come back as they went?",
        {"chain": [{"task": "echo", "args": [[1e22, -0.0, {"bb": 1, "a": 2}]]}, ECHO]},
    ),
]


def code_of(canvas: Json) -> str:
    """The canvas as one writes it in Python."""
    found = _plain_code(canvas)
    for name in ("link", "link_error"):
        found += f".{name}({code_of(canvas[name])})" if name in canvas else ""
    return found


def _plain_code(canvas: Json) -> str:
    match canvas:
        case {"chain": parts}:
            return f"chain({', '.join(map(code_of, parts))})"
        case {"group": members}:
            return f"group([{', '.join(map(code_of, members))}])"
        case {"chord": {"header": header, "body": body}}:
            return f"chord([{', '.join(map(code_of, header))}], {code_of(body)})"
    call = (
        f"{canvas['task']}.{'si' if canvas.get('immutable') else 's'}({', '.join(map(repr, canvas.get('args', [])))})"
    )
    return call + (".set(ignore_result=True)" if canvas.get("ignore_result") else "")


def answer(canvas: Json, found: Json) -> str:
    """What bare Celery does with it, in a few words: the value or the error, and how often callbacks were called."""
    error = found["error"]
    if error is None:
        said = f"`{found['value']}`"
    elif error.startswith("NeverRan"):
        said = "never ends"
    else:
        said = error.partition(": ")[0] if "refused" not in error else "refused when published"
    ran = Counter(label_at(canvas, line["place"]) for line in found["runs"])
    calls = ran['finalize(["called"], {})']
    said += f"; called {calls} x" if "called" in str(canvas) else ""
    return said + (f"; stored as {found['state']}" if canvas.get("ignore_result") else "")


HEAD = """\
# What surprises people about canvases, by version of Celery

Bare Celery with the Redis backend and a prefork worker of two processes: no code of this project runs in it. Written by
`python3 run.py test --celery VERSION`, each version a column; the test suite holds the locked version to its own.
A row in which versions differ has **bold** answers.
"""


def columns(text: str) -> dict[str, list[str]]:
    """The answers that a page has for each version."""
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip().replace("**", "") for cell in row] for row in rows if set(row[0].strip()) != {"-"}]
    return {version: [row[at] for row in rows[1:]] for at, version in enumerate(rows[0]) if at > 1} if rows else {}


def page(found: dict[str, list[str]]) -> str:
    """The page with these answers, versions in order."""
    versions = sorted(found, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])
    lines = [HEAD, "| question | canvas | " + " | ".join(versions) + " |", "| --- | --- |" + " --- |" * len(versions)]
    for at, surprise in enumerate(SURPRISES):
        answers = [found[version][at] if at < len(found[version]) else "?" for version in versions]
        shown = answers if len(set(answers)) == 1 else [f"**{each}**" for each in answers]
        lines.append(f"| {surprise.question} | `{code_of(surprise.canvas)}` | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def add_column(path: Path, version: str, answers: list[str]) -> None:
    """Write a version's answers into the page, or the page anew where its rows have changed."""
    known = columns(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = {each: column for each, column in known.items() if len(column) == len(SURPRISES)}
    path.write_text(page(kept | {version: answers}), encoding="utf-8")
