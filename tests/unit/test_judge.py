"""What can never run any more, and when a run has ended: decided from a tree and the states of its tasks."""

import pytest

from background.canvas.judge import final_status, judgement, with_spawned
from background.canvas.states import RunStatus, TaskState
from background.canvas.trees import Tree, edges, ids

T, F = TaskState.SUCCESS, TaskState.FAILURE
P, S, R = TaskState.PENDING, TaskState.STARTED, TaskState.REVOKED


def task(name: str, **calls: list[Tree]) -> Tree:
    """A task, and what it calls."""
    return {"task": name, **calls}


CHORD = {"chord": {"header": [task("a"), task("b")], "body": {"chain": [task("c", link_error=[task("e")]), task("d")]}}}
REPLACED = {"chain": [task("a", spawned=[task("x", spawned=[task("y")])]), task("b")]}
CHAIN = {"chain": [task("a", link=[task("l")], link_error=[task("e")]), task("b"), {"group": [task("c"), task("d")]}]}


def look(tree: Tree, called: str, *, busy: bool = False, **states: TaskState) -> tuple[str, str, bool]:
    """What is skipped, what is awaited, and whether it has ended; tasks are PENDING unless told otherwise."""
    known = {id_: states.get(id_, P) for id_ in ids(tree)}
    found = judgement(tree, known, called=set(called), busy=busy)
    return "".join(sorted(found.skipped)), "".join(sorted(found.awaited)), found.ended


@pytest.mark.parametrize(
    ("tree", "called", "states", "busy", "expected"),
    [
        (CHORD, "ab", {"a": T, "b": S}, True, ("", "", False)),
        (CHORD, "ab", {"a": F, "b": S}, True, ("cd", "", False)),
        (CHORD, "ab", {"a": F, "b": T}, False, ("cde", "", True)),
        (CHORD, "abe", {"a": F, "b": T, "e": S}, True, ("cd", "", False)),
        (CHORD, "abe", {"a": F, "b": T, "e": T}, False, ("cd", "", True)),
        (CHORD, "ab", {"a": T, "b": T}, False, ("", "c", False)),
        (CHORD, "abcd", {"a": T, "b": T, "c": T, "d": T}, False, ("e", "", True)),
        (CHAIN, "a", {"a": T}, False, ("", "bl", False)),
        (CHAIN, "a", {"a": T}, True, ("", "", False)),
        (CHAIN, "albcd", {"a": T, "l": F, "b": T, "c": T, "d": T}, False, ("e", "", True)),
        (CHAIN, "a", {"a": F}, True, ("bcdl", "", False)),
        (CHAIN, "a", {"a": F}, False, ("bcdel", "", True)),
        (CHAIN, "alb", {"a": T, "l": T, "b": R}, False, ("cde", "", True)),
        # Others were put in the place of a: of which one fails, all succeed, or b was called though nothing has its id.
        (REPLACED, "xy", {"x": F, "y": S}, True, ("", "", False)),
        (REPLACED, "xy", {"x": F, "y": T}, False, ("ab", "", True)),
        (REPLACED, "xy", {"x": T, "y": T}, False, ("", "a", False)),
        (REPLACED, "xyb", {"x": T, "y": T, "b": T}, False, ("a", "", True)),
    ],
)
def test_what_can_never_run(
    tree: Tree, called: str, states: dict[str, TaskState], busy: bool, expected: tuple[str, str, bool]
) -> None:
    assert look(tree, called, busy=busy, **states) == expected


@pytest.mark.parametrize(
    ("states", "cancelled", "status"),
    [
        ([T, T], False, RunStatus.SUCCESS),
        ([T, TaskState.SKIPPED], False, RunStatus.SUCCESS),
        ([T, F, R], False, RunStatus.FAILURE),
        ([T, R], False, RunStatus.REVOKED),
        ([T, F], True, RunStatus.REVOKED),
    ],
)
def test_how_a_run_ends(states: list[TaskState], cancelled: bool, status: RunStatus) -> None:
    assert final_status(states, cancelled=cancelled) is status


def test_what_a_task_sent_stands_below_it() -> None:
    tree = {"chain": [task("a"), task("b")]}
    found = with_spawned(tree, {"a": None, "b": None, "c": "b", "d": "c", "x": "nobody"})
    assert found == {"chain": [task("a", spawned=[task("x")]), task("b", spawned=[task("c", spawned=[task("d")])])]}
    assert tree == {"chain": [task("a"), task("b")]}
    assert ("c", "d") in set(edges(found))
