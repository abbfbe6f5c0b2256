"""The Python expression of what Celery builds."""

from collections.abc import Mapping
from typing import Any

from background.canvas.plan import Node
from background.canvas.signatures import options_of
from background.canvas.spec import TaskSpec
from background.canvas.trees import Tree

MAPS = {"celery.map": "map", "celery.starmap": "starmap"}


def expression(tree: Tree, nodes: Mapping[str, Node], written: Mapping[str, TaskSpec]) -> str:
    """How a user of Celery would write it; `written` has the tasks of the canvas by the ids they were given."""

    def of(part: Tree) -> str:
        if "chain" in part:
            return f"chain({', '.join(map(of, part['chain']))})"
        if "group" in part:
            return f"group({', '.join(map(of, part['group']))})"
        if "chord" in part:
            return f"chord([{', '.join(map(of, part['chord']['header']))}], {of(part['chord']['body'])})"
        node = nodes[part["task"]]
        spec = written.get(node.origin)
        options = [f"{name}={_value(value)}" for name, value in (options_of(spec) if spec else {}).items()]
        if links := [of(each) for each in part.get("link", ())]:
            options.append(f"link={links[0] if len(links) == 1 else '[' + ', '.join(links) + ']'}")
        call = _call(node, immutable=(spec is not None and spec.immutable) or (not node.sent and not node.given))
        call += f".set({', '.join(options)})" if options else ""
        return call + "".join(f".on_error({of(each)})" for each in part.get("link_error", ()))

    return of(tree)


def _call(node: Node, *, immutable: bool) -> str:
    if node.task in MAPS:
        task, items = node.args
        return f"{task}.{MAPS[node.task]}({items!r})"
    given = [*map(repr, node.args), *(f"{name}={value!r}" for name, value in node.kwargs.items())]
    return f"{node.task.rpartition('.')[2]}.{'si' if immutable else 's'}({', '.join(given)})"


def _value(value: Any) -> str:
    return repr(value.isoformat()) if hasattr(value, "isoformat") else repr(value)
