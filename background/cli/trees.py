"""A run as a tree: what comes after what, how each task ended, and the verdict first."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from background.canvas.trees import last_ids
from background.cli.tables import state
from background.cli.text import clean, duration, short

Json = Mapping[str, Any]

DEEPEST = 12
"""Levels a terminal has room for; what is deeper stands below its predecessor instead of within it."""
NAMED = 3
CALLED = {"link": "when that succeeds", "link_error": "when that fails", "spawned": "sent by that"}


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
    """What follows a task stands under it, members of a group side by side, a chord's body beside its header."""
    nodes = {str(node["id"]): node for node in graph["nodes"]}
    root = Tree(Text(title), guide_style="bright_black")
    _add(root, graph["tree"], nodes, level=0)
    return root


def _add(above: Tree, part: Json, nodes: Mapping[str, Json], *, level: int, note: str = "") -> tuple[Tree, int]:
    """Put a part under a branch; gives the branch, and its level, under which what follows it stands."""
    if "task" in part:
        branch = above.add(_label(nodes[part["task"]], note))
        branch, level = (above, level) if level >= DEEPEST else (branch, level + 1)
        for name, words in CALLED.items():
            for called in part.get(name, ()):
                _add(branch, called, nodes, level=level, note=words)
        return branch, level
    for each in part.get("chain", ()):
        above, level = _add(above, each, nodes, level=level, note=note)
        note = ""
    chord = part.get("chord")
    for member in chord["header"] if chord else part.get("group", ()):
        _add(above, member, nodes, level=level, note=note)
    if chord:
        return _add(above, chord["body"], nodes, level=level, note=f"after {_ends(chord['header'], nodes)}")
    return above, level


def _ends(header: Sequence[Json], nodes: Mapping[str, Json]) -> str:
    """The tasks whose results the body of a chord is given."""
    names = [_name(nodes[id_]) for member in header for id_ in last_ids(dict(member))]
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} tasks"


def _label(node: Json, note: str) -> Text:
    arguments = [short(each, 30) for each in node["args"]]
    arguments += [f"{clean(name)}={short(each, 30)}" for name, each in node.get("kwargs", {}).items()]
    label = Text(f"{_name(node)}({', '.join(arguments)})")
    if "state" in node:
        label.append("  ").append(state(node["state"]))
        label.append(f"  {duration(node['started_at'], node['finished_at'])}".rstrip(), "bright_black")
        if node["error"] is not None:
            label.append(clean(f"  {node['error']['type']}: {node['error']['message']}"), "red")
        elif node["state"] == "SUCCESS":
            label.append(f"  → {short(node['result'])}")
    if note:
        label.append(f"  {note}", "bright_black")
    return label


def _name(node: Json) -> str:
    return clean(str(node["task"]).rpartition(".")[2])
