"""A canvas as a tree: its graph, its ids and its Python expression."""

from dataclasses import replace
from typing import Any

from background.canvas import builder
from background.canvas.builder import Chain, Chord, Group, Task
from background.task_names import TaskName


def task(name: str) -> Task:
    """A task whose id is easy to read."""
    return Task(TaskName.ECHO, (name,), id=name)


def test_a_chain_goes_one_by_one() -> None:
    canvas = Chain((task("a"), task("b"), task("c")))
    assert list(builder.edges_of(canvas)) == [("a", "b"), ("b", "c")]
    assert builder.run_id(canvas) == builder.result_ids(canvas) == "c"
    assert builder.code_of(canvas) == "chain(echo.s('a'), echo.s('b'), echo.s('c'))"


def test_a_group_has_no_edges_and_its_own_id() -> None:
    canvas = Group((task("a"), task("b")), id="g")
    assert list(builder.edges_of(canvas)) == []
    assert builder.run_id(canvas) == "g"
    assert builder.result_ids(canvas) == ["a", "b"]


def test_the_body_of_a_chord_waits_for_the_end_of_each_member() -> None:
    canvas = Chord((Chain((task("a"), task("b"))), task("c")), task("d"))
    assert list(builder.edges_of(canvas)) == [("a", "b"), ("b", "d"), ("c", "d")]
    assert [each.id for each in builder.tasks_of(canvas)] == ["a", "b", "c", "d"]
    assert builder.run_id(canvas) == builder.result_ids(canvas) == "d"
    assert builder.code_of(canvas) == "chord([chain(echo.s('a'), echo.s('b')), echo.s('c')], echo.s('d'))"


def test_what_follows_a_group_waits_for_all_of_it() -> None:
    canvas = Chain((Group((task("a"), task("b")), id="g"), task("c")))
    assert list(builder.edges_of(canvas)) == [("a", "c"), ("b", "c")]


def test_a_chain_that_ends_in_a_group_has_the_groups_id() -> None:
    canvas = Chain((task("a"), Group((task("b"), task("c")), id="g")))
    assert builder.run_id(canvas) == "g"
    assert builder.result_ids(canvas) == ["b", "c"]


def test_ids_are_new_each_time() -> None:
    assert Task(TaskName.ECHO).id != Task(TaskName.ECHO).id
    assert Group(()).id != Group(()).id


def test_the_signature_carries_the_ids() -> None:
    signature: Any = builder.signature_of(Chord((task("a"), task("b")), task("d")))
    assert [member.options["task_id"] for member in signature.tasks] == ["a", "b"]
    assert signature.body.options["task_id"] == "d"


def test_nothing_waits_for_a_callback() -> None:
    linked = replace(task("a"), on_success=task("s"), on_error=task("e"))
    canvas = Chord((linked, task("b")), task("c"))
    assert [each.id for each in builder.tasks_of(canvas)] == ["a", "s", "e", "b", "c"]
    assert list(builder.edges_of(canvas)) == [("a", "s"), ("a", "e"), ("a", "c"), ("b", "c")]
    signature: Any = builder.signature_of(linked)
    assert [each.options["task_id"] for each in signature.options["link"]] == ["s"]
    assert [each.options["task_id"] for each in signature.options["link_error"]] == ["e"]
