"""What Celery makes of a canvas, and which traps are announced."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from background.canvas import builder
from background.canvas.rewriting import rewritten
from background.canvas.spec import CanvasSpec, from_json, to_json, tree_of
from background.canvas.traps import warnings_about
from background.errors import Invalid

ADAPTER: TypeAdapter[Any] = TypeAdapter(CanvasSpec)
A: dict[str, Any] = {"task": "add", "args": [1, 2]}
A1: dict[str, Any] = {"task": "add", "args": [1]}
E: dict[str, Any] = {"task": "echo"}
E1: dict[str, Any] = {"task": "echo", "args": [1]}


def tree(body: dict[str, Any]) -> builder.Canvas:
    """The body as a tree."""
    return tree_of(ADAPTER.validate_python(body))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (A, "add.s(1, 2)"),
        ({"chain": [A]}, "add.s(1, 2)"),
        ({"chain": [A, {"chain": [E, E]}]}, "chain(add.s(1, 2), echo.s(), echo.s())"),
        ({"chain": [A, {"group": [E]}, E]}, "chain(add.s(1, 2), echo.s(), echo.s())"),
        ({"group": [A]}, "group(add.s(1, 2))"),
        ({"chain": [{"group": [A, A]}, E]}, "chord([add.s(1, 2), add.s(1, 2)], echo.s())"),
        ({"chain": [{"group": [A, A]}, E, E]}, "chord([add.s(1, 2), add.s(1, 2)], chain(echo.s(), echo.s()))"),
        (
            {"chain": [{"group": [A, A]}, {"group": [E, E]}]},
            "chord([add.s(1, 2), add.s(1, 2)], group(echo.s(), echo.s()))",
        ),
        ({"group": [{"group": [A, A]}, A]}, "group(add.s(1, 2), add.s(1, 2), add.s(1, 2))"),
        ({"chord": {"header": [A], "body": E}}, "chain(add.s(1, 2), echo.s())"),
        (
            {"chain": [E1, {"chord": {"header": [E, E], "body": E}}, E]},
            "chain(echo.s(1), chord([echo.s(), echo.s()], chain(echo.s(), echo.s())))",
        ),
        ({**A, "link_error": E}, "add.s(1, 2).on_error(echo.s())"),
        ({**A, "ignore_result": True}, "add.s(1, 2).set(ignore_result=True)"),
        ({"group": [A, A], "link": E1}, "group(add.s(1, 2).set(link=echo.si(1)), add.s(1, 2))"),
        ({"group": [A, A], "link_error": E1}, f"group({', '.join(['add.s(1, 2).on_error(echo.si(1))'] * 2)})"),
        (
            {"chain": [{"group": [E1, E1], "link": E1, "link_error": E1}, E]},
            "chord([echo.s(1).set(link=echo.si(1)).on_error(echo.si(1)), echo.s(1).on_error(echo.si(1))], echo.s())",
        ),
        (
            {"task": "echo", "args": [1], "immutable": True, "countdown": 2, "retries": 3},
            "echo.si(1).set(countdown=2.0, headers={'playground_retries': 3})",
        ),
    ],
)
def test_celery_rewrites(body: dict[str, Any], code: str) -> None:
    canvas = rewritten(tree(body))
    assert builder.code_of(canvas) == code
    assert rewritten(canvas) == canvas
    assert from_json(to_json(canvas)) == canvas


def test_what_was_stored_before_there_was_an_option() -> None:
    task = tree(E1)
    stored = to_json(task)
    del stored["ignore_result"], stored["on_success"]
    assert from_json(stored) == task


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (A, set()),
        ({"chain": [A, E]}, set()),
        ({"chain": [{"group": [A, A]}, E]}, {"group-becomes-chord", "header-failure"}),
        ({"chain": [{"group": [A]}, E]}, {"group-of-one"}),
        ({"chord": {"header": [A], "body": E}}, {"header-of-one"}),
        (
            {"chord": {"header": [A, A], "body": {"task": "multiply", "args": [2]}}},
            {"header-failure", "list-to-one"},
        ),
        ({"chain": [A, {"task": "echo", "args": [1], "immutable": True}]}, {"immutable"}),
        ({"chord": {"header": [A, A], "body": {**E1, "immutable": True}}}, {"header-failure", "immutable"}),
        ({"chain": [A, {"group": [E, {**E1, "immutable": True}]}]}, {"immutable"}),
        ({"task": "echo", "args": [1], "immutable": True}, set()),
        ({"task": "echo", "args": [1], "countdown": 120}, set()),
        ({"task": "echo", "args": [1], "countdown": 121}, {"countdown"}),
        ({**A, "link_error": {**E, "countdown": 121}}, {"countdown"}),
        ({**A, "ignore_result": True}, {"ignored-result"}),
        (
            {"chord": {"header": [A, {**A, "ignore_result": True}], "body": E}},
            {"header-failure", "ignored-header", "ignored-result"},
        ),
        (
            {"chain": [{"group": [A, {"chain": [A, {**E, "ignore_result": True}]}]}, E]},
            {"group-becomes-chord", "header-failure", "ignored-header", "ignored-result"},
        ),
        (
            {"chord": {"header": [A, {"chain": [{**A, "ignore_result": True}, E]}], "body": E}},
            {"header-failure", "ignored-result"},
        ),
        ({"chord": {"header": [A, A], "body": {**E, "ignore_result": True}}}, {"header-failure", "ignored-result"}),
        ({"group": [A, A], "link": E1}, {"group-link"}),
        ({"group": [A, A], "link_error": E1}, {"group-link-error"}),
        ({"group": [A, {**A, "link_error": E}]}, {"group-link-error"}),
        ({**A, "link_error": E}, set()),
        ({"group": [{"group": [A]}]}, {"nested-group"}),
        (
            {"chain": [A, {"chain": [A1, {"group": [E, E]}]}, {"chain": [A1, E]}]},
            {"group-becomes-chord", "header-failure", "list-to-one"},
        ),
        (
            {"chord": {"header": [{"group": [A, A]}], "body": E}},
            {"group-ends-member", "header-failure"},
        ),
        (
            {"chord": {"header": [A, {"chain": [A, {"group": [E, E]}]}], "body": E}},
            {"header-failure", "group-ends-member"},
        ),
    ],
)
def test_traps_are_announced(body: dict[str, Any], codes: set[str]) -> None:
    found = warnings_about(tree(body))
    assert {warning.code for warning in found} == codes
    assert all(warning.url.startswith("https://") for warning in found)


def nested(depth: int) -> dict[str, Any]:
    """A task in so many layers, itself included."""
    return A if depth == 1 else {"chain": [nested(depth - 1)]}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"task": "nope"}, ("body", "task")),
        ({"task": "run_job", "args": [1]}, ("body", "task")),
        ({"task": "add", "args": [1]}, ("body", "args")),
        ({"task": "add", "args": [1, 2, 3]}, ("body", "args")),
        ({"task": "add", "args": [1, "2"]}, ("body", "args", 1)),
        ({"task": "sleep", "args": [31]}, ("body", "args", 0)),
        ({"chain": [A, {"task": "add", "args": [1, 2]}]}, ("body", "chain", 1, "args")),
        ({"chain": [A, {"task": "add", "args": ["1"]}]}, ("body", "chain", 1, "args", 0)),
        ({"chord": {"header": [A, A], "body": {"task": "echo", "args": [1]}}}, ("body", "chord", "body", "args")),
        (nested(9), ("body", *("chain", 0) * 8)),
        ({"group": [A] * 1001}, ("body",)),
        ({**A, "link_error": A}, ("body", "link_error", "task")),
        ({**A, "link_error": {"task": "echo", "args": [1]}}, ("body", "link_error", "args")),
        ({"group": [A, A], "link": E}, ("body", "link", "args")),
        ({"group": [A, A], "link_error": E}, ("body", "link_error", "args")),
        ({"group": [A, A], "link_error": A}, ("body", "link_error", "task")),
        ({"group": [A, {"chain": [A]}], "link": E1}, ("body", "group", 1)),
        ({"group": [A, {**A, "link_error": E}], "link_error": E1}, ("body", "group", 1)),
        ({"group": [A] * 501, "link_error": E1}, ("body",)),
    ],
)
def test_what_cannot_run_is_refused(body: dict[str, Any], where: tuple[str | int, ...]) -> None:
    with pytest.raises(Invalid) as caught:
        tree(body)
    assert caught.value.errors[0].loc == where


def test_what_just_fits() -> None:
    tree(nested(8))
    tree({"group": [A] * 1000})
    tree({"chain": [A, {"task": "add", "args": [1]}, {"task": "add", "args": [1, 2], "immutable": True}]})
