"""Where a task stands in the tree of its run."""

from typing import Any

from rich.console import Console

from background.cli.trees import DEEPEST, preview


def drawn(tree: dict[str, Any], names: str | list[str]) -> list[str]:
    """The lines of a tree, two spaces for each level."""
    nodes = [{"id": name, "task": f"tasks.{name}", "args": []} for name in names]
    console = Console(width=200, legacy_windows=False, color_system=None)
    with console.capture() as capture:
        console.print(preview({"graph": {"nodes": nodes, "edges": [], "tree": tree}, "code": "code", "warnings": []}))
    lines = capture.get().splitlines()[1:]
    return [f"{'  ' * ((len(line) - len(line.lstrip('│├└─ '))) // 4 - 1)}{line.lstrip('│├└─ ')}" for line in lines]


def task(name: str, **called: Any) -> dict[str, Any]:
    """A task of a tree."""
    return {"task": name, **called}


def test_a_chain_goes_down() -> None:
    assert drawn({"chain": [task("a"), task("b"), task("c")]}, "abc") == ["a()", "  b()", "    c()"]


def test_the_members_of_a_group_stand_side_by_side() -> None:
    assert drawn({"group": [task("a"), {"chain": [task("b"), task("c")]}]}, "abc") == ["a()", "b()", "  c()"]


def test_a_body_stands_beside_its_header_and_under_what_is_before_it() -> None:
    chord = {"chord": {"header": [task("b"), task("c")], "body": {"chain": [task("d"), task("e")]}}}
    assert drawn({"chain": [task("a"), chord]}, "abcde") == [
        "a()", "  b()", "  c()", "  d()  after b, c", "    e()",
    ]  # fmt: skip


def test_what_a_task_calls_stands_under_it() -> None:
    tree = {"chain": [task("a", link_error=[task("x")]), task("b")]}
    assert drawn(tree, "axb") == ["a()", "  x()  when that fails", "  b()"]


def test_a_long_chain_stays_within_the_terminal() -> None:
    names = [str(number) for number in range(1000)]
    lines = drawn({"chain": [task(name) for name in names]}, names)
    assert len(lines) == 1000
    assert lines[-1] == f"{'  ' * DEEPEST}999()"
