"""What is shown as Python is evaluated, and Celery builds the same of it."""

import json
from typing import Any

import pytest
from celery import chain, chord, group
from celery.canvas import Signature, xmap, xstarmap

from background.canvas.built import Built
from background.canvas.dry import dry_app
from background.canvas.plan import Plan, plan
from background.canvas.signatures import new_ids
from background.canvas.spec import SHORT_NAMES, STORED
from background.canvas.trees import Tree
from tests.acceptance.test_bare_celery import ODD_TO_WRITE
from tests.unit.test_plan import canvases

Json = dict[str, Any]
IDS = new_ids()


class Named:
    """A task by its name, as an expression calls it."""

    def __init__(self, name: str) -> None:
        self._name = SHORT_NAMES[name].value

    def s(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """A signature that is given what comes before it."""
        return dry_app.signature(self._name, args=args, kwargs=kwargs, task_id=next(IDS))

    def si(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """One that is not."""
        return dry_app.signature(self._name, args=args, kwargs=kwargs, immutable=True, task_id=next(IDS))

    def map(self, it: list[Any]) -> Any:
        """The task for each item."""
        inner: Any = dry_app.signature(self._name)
        return xmap(inner, it, app=dry_app, task_id=next(IDS)).clone()

    def starmap(self, it: list[Any]) -> Any:
        """The task for each list of arguments."""
        inner: Any = dry_app.signature(self._name)
        return xstarmap(inner, it, app=dry_app, task_id=next(IDS)).clone()


NAMES: Json = {"chain": chain, "chord": chord, "group": group, **{name: Named(name) for name in SHORT_NAMES}}


def described(found: Plan, tree: Tree | list[Tree] | str | None = None) -> Any:
    """The tree with what each task is in place of its id, and how many callbacks of its own a chain there has."""
    match found.tree if tree is None else tree:
        case str(id_):
            node = found.nodes[id_]
            return node.task, node.args, node.kwargs, node.given, len(found.chain_errbacks.get(id_, ()))
        case [*several]:
            return [described(found, each) for each in several]
        case {"chain": [only]} if "group" not in only:  # the same without it
            return described(found, only)
        case {"chain": steps}:
            flat = [part for step in steps for part in (step["chain"] if len(step.get("chain", ())) > 1 else [step])]
            return {"chain": described(found, flat)}
        case dict(parts):
            return {name: described(found, part) for name, part in parts.items()}
    raise AssertionError(tree)


def both(canvas: Json) -> tuple[str, Any, Any]:
    """The Python that is shown, what Celery builds of the canvas, and what of that."""
    found = Built.of(STORED.validate_python(canvas))
    code = found.code
    shown = plan(lambda: eval(code, dict(NAMES)))  # noqa: S307  (what was written here)
    return code, described(found.plan), described(shown)


ONE, TWO, ECHO = {"task": "echo", "args": [1]}, {"task": "echo", "args": [2]}, {"task": "echo"}
CALLED = {"task": "finalize"}
CALLING = {**ECHO, "link_error": CALLED}
PAIR = {"group": [ONE, TWO]}


@pytest.mark.parametrize(
    ("canvas", "code"),
    [
        # What follows would come into the body, and that would lose its error callback,
        (
            {"chain": [PAIR, {"chain": [ECHO, ECHO], "link_error": CALLED}, {"chain": [ECHO]}]},
            "chain(group(echo.s(1), echo.s(2)), chain(echo.s(), echo.s()).on_error(finalize.s()), chain(echo.s()))",
        ),
        # or hang it on what follows, too,
        (
            {"chain": [PAIR, {"chain": [{"chord": {"header": [ECHO], "body": ECHO}}], "link_error": CALLED}, PAIR]},
            (
                "chain(group(echo.s(1), echo.s(2)), chain(chord([echo.s()], echo.s())).on_error(finalize.s()), "
                "group(echo.s(1), echo.s(2)))"
            ),
        ),
        # or take over those of the chain around.
        (
            {
                "chain": [{"chord": {"header": [ONE], "body": {"group": [ECHO, ECHO]}}}, {"chain": [ECHO, PAIR]}],
                "link_error": CALLED,
            },
            (
                "chain(chord([echo.s(1)], group(echo.s(), echo.s())), chain(echo.s(), group(echo.s(1), echo.s(2))))"
                ".on_error(finalize.s())"
            ),
        ),
        # What a chain calls when it has succeeded is set, or stands where Celery puts it if it makes a chord of that.
        (
            {"chord": {"header": [ONE], "body": {"chain": [ECHO, ECHO], "link": CALLED, "link_error": CALLED}}},
            "chord([echo.s(1)], chain(echo.s(), echo.s()).set(link=finalize.s()).on_error(finalize.s()))",
        ),
        (
            {"chain": [PAIR, {"chain": [ECHO, ECHO], "link_error": CALLED}], "link": CALLED},
            (
                "chain(group(echo.s(1), echo.s(2)), chain(echo.s(), echo.s()).set(link=finalize.s())"
                ".on_error(finalize.s()))"
            ),
        ),
        # What follows is not put into the inner body here; `chain` would, and its error callback be one of a step.
        (
            {
                "chain": [
                    {"chord": {"header": [ONE], "body": {"chord": {"header": [ECHO], "body": CALLING}}}},
                    {"group": [ECHO, ECHO]},
                ]
            },
            (
                "chain(chord([echo.s(1)], chord([echo.s()], echo.s().on_error(finalize.s()))), "
                "group(echo.s(), echo.s()))"
            ),
        ),
    ],
)
def test_where_it_would_not_be_the_same_the_canvas_is_written_as_it_was_posted(canvas: Json, code: str) -> None:
    shown, expected, found = both(canvas)
    assert shown == code
    assert found == expected


@pytest.mark.parametrize("canvas", ODD_TO_WRITE, ids=json.dumps)
def test_the_python_of_what_is_odd_to_write_builds_the_same(canvas: Json) -> None:
    _, expected, found = both(canvas)
    assert found == expected


def test_the_python_of_generated_canvases_builds_the_same() -> None:
    for canvas, _ in canvases(9, 300):
        code, expected, found = both(canvas)
        assert found == expected, code
