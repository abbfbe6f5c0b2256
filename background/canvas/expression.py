"""The Python expression of what Celery builds."""

from collections.abc import Mapping, Sequence
from typing import Any

from background.canvas.plan import Plan
from background.canvas.reader import MAPS, PlannedTask
from background.canvas.signatures import Written, options_of
from background.canvas.spec import TaskSpec
from background.canvas.trees import Tree, first_ids, ids

Spans = Mapping[str, tuple[int, int]]
"""Where each task stands in an expression, with its options and callbacks: from one character to before another."""


def expression(plan: Plan, written: Mapping[str, Written]) -> tuple[str, Spans]:
    """How a user of Celery would write it, and where each task stands; `written` is what `written_by_id` gives."""
    writer = _Writer(plan, written)
    writer.part(plan.written)
    return "".join(writer.pieces), writer.spans


class _Writer:
    def __init__(self, plan: Plan, written: Mapping[str, Written]) -> None:
        self.pieces: list[str] = []
        self.spans: dict[str, tuple[int, int]] = {}
        self._nodes = plan.nodes
        self._chain_errbacks = plan.chain_errbacks
        self._written = written
        self._at = 0
        self._of_chains: dict[str, list[Tree]] = {}

    def _write(self, text: str) -> None:
        self.pieces.append(text)
        self._at += len(text)

    def part(self, tree: Tree) -> None:
        """A tree with all that is in it."""
        if "chain" in tree:
            self._chain(tree)
        elif "group" in tree:
            self._list("group(", tree["group"], ")")
        elif "chord" in tree:
            self._list("chord([", tree["chord"]["header"], "], ")
            self.part(tree["chord"]["body"])
            self._write(")")
        else:
            begin = self._at
            self._task(tree)
            self.spans[tree["task"]] = begin, self._at

    def _chain(self, tree: Tree) -> None:
        """A chain; its own error callbacks stand behind it, once, and not at each step."""
        known = self._chain_errbacks.get(first_ids(tree)[0], ())
        origins = [each for each in known if each not in self._of_chains]
        self._of_chains |= {origin: [] for origin in origins}
        steps = tree["chain"]
        if len(steps) == 1 and len(steps[0].get("group", ())) == 1:
            # A chain takes a group of one for that one, and a group takes its only argument for itself if it is one.
            self._list("chain(group([group(", steps[0]["group"], ")]))")
        elif len(steps) > 1 and self._stays_apart(steps[0], has_errbacks=bool(known)):
            self._list("chain(group(", steps[0]["chord"]["header"], "), ")
            self._list("", [steps[0]["chord"]["body"], {"chain": steps[1:]}], ")")
        else:
            self._list("chain(", steps, ")")
        for origin in origins:
            first, *others = self._of_chains.pop(origin)
            self._list(".on_error(", [first], ")")
            for other in others:
                self.spans |= {copy: self.spans[id_] for id_, copy in zip(ids(first), ids(other), strict=True)}

    def _stays_apart(self, first: Tree, *, has_errbacks: bool) -> bool:
        """Whether what follows the first step of a chain must be kept from its body; the chain may have errbacks.

        Celery puts what follows a chord, step by step, into its body. Errbacks of a body that is a chain are lost then,
        and those of the chain around become its own. A group, then the body, then a chain of all that follows: that is
        a chord, and this behind it. Of a group of one nothing would be left.
        """
        chord = first.get("chord")
        if chord is None or len(chord["header"]) == 1:
            return False
        return has_errbacks or first_ids(chord["body"])[0] in self._chain_errbacks

    def _list(self, begin: str, parts: Sequence[Tree], end: str) -> None:
        for number, each in enumerate(parts):
            self._write(", " if number else begin)
            self.part(each)
        self._write(end)

    def _task(self, tree: Tree) -> None:
        node = self._nodes[tree["task"]]
        _, spec = self._written.get(node.origin, ((), None))
        task = spec if isinstance(spec, TaskSpec) else None
        self._write(_call(node, immutable=(task is not None and task.immutable) or (not node.sent and not node.given)))
        options = ", ".join(f"{name}={_value(value)}" for name, value in (options_of(task) if task else {}).items())
        links = tree.get("link", ())
        if options or links:
            self._write(f".set({options}")
            if links:
                one = len(links) == 1
                self._list((", " if options else "") + ("link=" if one else "link=["), links, "" if one else "]")
            self._write(")")
        for each in tree.get("link_error", ()):
            if (of_chain := self._of_chains.get(self._nodes[each["task"]].origin)) is not None:
                of_chain.append(each)
            else:
                self._list(".on_error(", [each], ")")


def _call(node: PlannedTask, *, immutable: bool) -> str:
    if node.task in MAPS:
        task, items = node.args
        return f"{task}.{MAPS[node.task]}({items!r})"
    given = [*map(repr, node.args), *(f"{name}={value!r}" for name, value in node.kwargs.items())]
    return f"{node.task.rpartition('.')[2]}.{'si' if immutable else 's'}({', '.join(given)})"


def _value(value: Any) -> str:
    return repr(value.isoformat()) if hasattr(value, "isoformat") else repr(value)
