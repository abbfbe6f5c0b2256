"""A run as a tree: what comes after what, how each task ended, and the verdict first."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from background.cli.tables import state
from background.cli.text import clean, duration, short

Json = Mapping[str, Any]

DEEPEST = 12
"""Levels a terminal has room for; what is deeper stands below its predecessor instead of within it."""
NAMED = 3


def parents(nodes: Sequence[str], edges: Sequence[Sequence[str]]) -> dict[str, str | None]:
    """Under which node each one stands, or `None`: the last one that everything before it has in common.

    So a task stands under the one that it waits for, and the body of a chord beside its header. `nodes` come before
    those that wait for them (Cooper, Harvey and Kennedy, A Simple, Fast Dominance Algorithm, 2001).
    """
    before: dict[str, list[str]] = {node: [] for node in nodes}
    for first, then in edges:
        before[then].append(first)
    found: dict[str, str | None] = {}
    level: dict[str | None, int] = {None: 0}
    for node in nodes:
        known = [each for each in before[node] if each in found]
        above: str | None = known[0] if known else None
        for other in known[1:]:
            above = _common(above, other, found, level)
        while level[above] >= DEEPEST:
            above = found[above] if above is not None else None
        found[node], level[node] = above, level[above] + 1
    return found


def _common(
    one: str | None, other: str | None, found: Mapping[str, str | None], level: Mapping[str | None, int]
) -> str | None:
    while one != other:
        if one is not None and level[one] >= level[other]:
            one = found[one]
        elif other is not None:
            other = found[other]
    return one


def outcome(answer: Json) -> RenderableType:
    """What `GET /result` gives: the verdict, and the tree of a run."""
    head = Text.assemble(f"{clean(answer['type'])} {clean(answer['task_id'])}: ", state(answer["status"]))
    if progress := answer.get("progress"):
        head.append(f", {progress['completed']} of {progress['total']}")
    parts: list[RenderableType] = [head, Text(clean(answer["verdict"]))]
    if graph := answer.get("graph"):
        parts.append(_tree(graph, clean(answer.get("code", "The run it belongs to"))))
    if answer["result"] is not None:
        parts.append(Text(f"Result: {clean(json.dumps(answer['result'], ensure_ascii=False))}"))
    return Group(*parts)


def preview(plan: Json) -> RenderableType:
    """What `POST /canvas/preview` gives: the tree, and what may surprise."""
    warnings = [
        Text.assemble(("Warning: ", "yellow"), clean(f"{each['message']} {each['url']}")) for each in plan["warnings"]
    ]
    return Group(_tree(plan["graph"], clean(plan["code"])), *warnings)


def _tree(graph: Json, title: str) -> Tree:
    nodes = {str(node["id"]): node for node in graph["nodes"]}
    branches: dict[str | None, Tree] = {None: Tree(Text(title), guide_style="bright_black")}
    before: dict[str, list[str]] = {node: [] for node in nodes}
    for first, then in graph["edges"]:
        before[then].append(first)
    for node, above in parents(list(nodes), graph["edges"]).items():
        waits_for = [] if before[node] == [above] else [nodes[each] for each in before[node]]
        branches[node] = branches[above].add(_label(nodes[node], waits_for))
    return branches[None]


def _label(node: Json, waits_for: Sequence[Json]) -> Text:
    arguments = ", ".join(short(each, 30) for each in node["args"])
    label = Text(f"{_name(node)}({arguments})")
    if "state" in node:
        label.append("  ").append(state(node["state"]))
        label.append(f"  {duration(node['started_at'], node['finished_at'])}".rstrip(), "bright_black")
        if node["error"] is not None:
            label.append(clean(f"  {node['error']['type']}: {node['error']['message']}"), "red")
        elif node["state"] == "SUCCESS":
            label.append(f"  → {short(node['result'])}")
    if waits_for:
        names = [_name(each) for each in waits_for]
        label.append(f"  after {', '.join(names) if len(names) <= NAMED else f'{len(names)} tasks'}", "bright_black")
    return label


def _name(node: Json) -> str:
    return clean(str(node["task"]).rpartition(".")[2])
