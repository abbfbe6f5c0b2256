"""The Python expression of what Celery builds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from celery.canvas import _chain

from background.canvas.plan import Plan
from background.canvas.reader import MAPS, PlannedTask
from background.canvas.signatures import Written, new_ids, options_of, signature_of
from background.canvas.spec import (
    CanvasSpec,
    ChainSpec,
    ChordSpec,
    ChunksSpec,
    GroupSpec,
    MapSpec,
    Path,
    StarmapSpec,
    TaskSpec,
    items_of,
    placed_parts,
)
from background.canvas.trees import Tree, inside

Spans = Mapping[str, tuple[int, int]]
"""Where each task stands in an expression, with its options and callbacks: from one character to before another."""
Place = tuple[Path, CanvasSpec]
Part = TypeVar("Part")


def expression(plan: Plan, spec: CanvasSpec, written: Mapping[str, Written]) -> tuple[str, Spans]:
    """How a user of Celery would write it, and where each task stands; `written` is what `written_by_id` gives.

    What Celery builds is written down, unless Celery would build something else of that: where error callbacks hang on
    a chain that has become a body, a part is published several times under the same ids, or what follows a chord in a
    body is not put into its own body, as `chain` would. Then it is what the canvas itself says.
    """
    if plan.chain_errbacks or plan.calls or any(map(_has_a_chord_that_goes_on, inside(plan.written))):
        said = _AsWritten(written)
        said.part(((), spec))
        return "".join(said.pieces), {node.id: said.spans[node.origin] for node in plan.nodes.values()}
    writer = _AsBuilt(plan, written)
    writer.part(plan.written)
    return "".join(writer.pieces), writer.spans


class _Writer:
    """Writes pieces of an expression, and notes where tasks stand in it."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.spans: dict[str, tuple[int, int]] = {}
        self._at = 0

    def _write(self, text: str) -> None:
        self.pieces.append(text)
        self._at += len(text)

    def _each(self, begin: str, write: Callable[[Part], None], parts: Iterable[Part], end: str) -> None:
        for number, each in enumerate(parts):
            self._write(", " if number else begin)
            write(each)
        self._write(end)

    def _set(self, spec: TaskSpec | None, write: Callable[[Part], None], links: Sequence[Part]) -> None:
        """The options of a task, and what it calls when it has succeeded."""
        options = ", ".join(f"{name}={_value(value)}" for name, value in (options_of(spec) if spec else {}).items())
        if options or links:
            self._write(f".set({options}")
            if links:
                one = len(links) == 1
                self._each((", " if options else "") + ("link=" if one else "link=["), write, links, "" if one else "]")
            self._write(")")


class _AsBuilt(_Writer):
    """Writes the tree of a plan."""

    def __init__(self, plan: Plan, written: Mapping[str, Written]) -> None:
        super().__init__()
        self._nodes = plan.nodes
        self._written = written

    def part(self, tree: Tree) -> None:
        """A tree with all that is in it."""
        if "chain" in tree:
            self._chain(tree["chain"])
        elif "group" in tree:
            self._each("group(", self.part, tree["group"], ")")
        elif "chord" in tree:
            self._each("chord([", self.part, tree["chord"]["header"], "], ")
            self.part(tree["chord"]["body"])
            self._write(")")
        else:
            begin = self._at
            self._task(tree)
            self.spans[tree["task"]] = begin, self._at

    def _chain(self, steps: Sequence[Tree]) -> None:
        if len(steps) == 1 and len(steps[0].get("group", ())) == 1:
            # A chain takes a group of one for that one, and a group takes its only argument for itself if it is one.
            self._each("chain(group([group(", self.part, steps[0]["group"], ")]))")
        else:
            self._each("chain(", self.part, steps, ")")

    def _task(self, tree: Tree) -> None:
        node = self._nodes[tree["task"]]
        _, spec = self._written.get(node.origin, ((), None))
        task = spec if isinstance(spec, TaskSpec) else None
        immutable = (task is not None and task.immutable) or (not node.sent and not node.given)
        self._write(_planned(node, immutable=immutable))
        self._set(task, self.part, tree.get("link", ()))
        for each in tree.get("link_error", ()):
            self._each(".on_error(", self.part, [each], ")")


class _AsWritten(_Writer):
    """Writes a canvas; spans are by the ids of `written`.

    What a chain, chord or group calls when it has succeeded stands where that comes to: `link` gives the callback back,
    and not what it hangs on.
    """

    def __init__(self, written: Mapping[str, Written]) -> None:
        super().__init__()
        self._ids: dict[Path, list[str]] = {}
        for id_, (path, _) in written.items():
            self._ids.setdefault(path, []).append(id_)

    def part(self, place: Place, links: Sequence[Place] = ()) -> None:
        """A part of the canvas, which calls these `links`, too."""
        path, spec = place
        below: dict[str, list[Place]] = {}
        for (kind, *rest), each in placed_parts(spec):
            below.setdefault(str(rest[0] if kind == "chord" else kind), []).append(((*path, kind, *rest), each))
        links = [*below.get("link", ()), *links]
        errbacks = below.get("link_error", ())
        match spec:
            case TaskSpec():
                self._task(self._ids[path][0], spec, links, errbacks)
                return
            case ChainSpec() if links and _is_a_chain(spec):
                self._parts("chain(", below["chain"], ")")
                self._set(None, self.part, links)
            case ChainSpec():
                self._parts("chain(", below["chain"], ")", last=links)
            case GroupSpec():
                # A group takes its only argument for itself if it is one.
                brackets = ("group([", "])") if len(spec.group) == 1 else ("group(", ")")
                self._parts(brackets[0], below["group"], brackets[1], first=_given_nothing(links))
            case ChordSpec():
                self._parts("chord([", below["header"], "], ")
                self._parts("", below["body"], ")", last=links)
            case _:
                self._mapped(self._ids[path], spec, links)
        self._errbacks(errbacks)

    def _parts(
        self, begin: str, parts: Sequence[Place], end: str, *, first: Sequence[Place] = (), last: Sequence[Place] = ()
    ) -> None:
        calls = [[*(first if at == 0 else ()), *(last if at == len(parts) - 1 else ())] for at in range(len(parts))]
        self._each(begin, lambda each: self.part(*each), zip(parts, calls, strict=True), end)

    def _errbacks(self, errbacks: Sequence[Place]) -> None:
        for each in errbacks:
            self._each(".on_error(", self.part, [each], ")")

    def _task(self, id_: str, spec: TaskSpec, links: Sequence[Place], errbacks: Sequence[Place]) -> None:
        begin = self._at
        self._write(_call(spec.task, spec.args, spec.kwargs, immutable=spec.immutable))
        self._set(spec, self.part, links)
        self._errbacks(errbacks)
        self.spans[id_] = begin, self._at

    def _mapped(self, ids: Sequence[str], spec: MapSpec | StarmapSpec | ChunksSpec, links: Sequence[Place]) -> None:
        name, items = items_of(spec).task, items_of(spec).it
        if isinstance(spec, ChunksSpec):
            number = spec.chunks.n
            parts = [f"{name}.starmap({items[at : at + number]!r})" for at in range(0, len(items), number)]
            calls = [_given_nothing(links), *[()] * (len(ids) - 1)]
            self._each("group(", lambda each: self._text(*each), zip(ids, parts, calls, strict=True), ")")
        else:
            self._text(ids[0], f"{name}.{'map' if isinstance(spec, MapSpec) else 'starmap'}({items!r})", links)

    def _text(self, id_: str, text: str, links: Sequence[Place]) -> None:
        """A task that is written so, and calls these."""
        begin = self._at
        self._write(text)
        self._set(None, self.part, links)
        self.spans[id_] = begin, self._at


def _given_nothing(links: Sequence[Place]) -> list[Place]:
    """What a group calls: its first member does, and hands it nothing."""
    return [(at, each.model_copy(update={"immutable": True})) for at, each in links]


def _has_a_chord_that_goes_on(tree: Tree) -> bool:
    steps = tree["chord"]["body"].get("chain", ()) if "chord" in tree else ()
    return any("chord" in each for each in steps[:-1])


def _is_a_chain(spec: ChainSpec) -> bool:
    """Whether it stays one: Celery makes a chord of a chain that begins with a group or chord."""
    without = spec.model_copy(update={"link": [], "link_error": []})
    return isinstance(signature_of(without, new_ids()), _chain)


def _planned(node: PlannedTask, *, immutable: bool) -> str:
    if node.task in MAPS:
        task, items = node.args
        return f"{task}.{MAPS[node.task]}({items!r})"
    return _call(node.task.rpartition(".")[2], node.args, node.kwargs, immutable=immutable)


def _call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, immutable: bool) -> str:
    given = [*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())]
    return f"{name}.{'si' if immutable else 's'}({', '.join(given)})"


def _value(value: Any) -> str:
    return repr(value.isoformat()) if hasattr(value, "isoformat") else repr(value)
