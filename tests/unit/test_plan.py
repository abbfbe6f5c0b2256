"""What is read of what Celery would publish."""

import contextlib
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from background.base.errors import Invalid
from background.base.jsontext import deeper_than
from background.canvas import plan, service, trees
from background.canvas.built import Built
from background.canvas.checks import check, levels
from background.canvas.dry import Send
from background.canvas.plan import Plan
from background.canvas.reader import Reader
from background.canvas.spec import STORED
from background.canvas.warnings import warnings_about

Json = dict[str, Any]


def task(name: str, *args: Any, **options: Any) -> Json:
    """A task of a canvas."""
    return {"task": name, "args": list(args), **options}


ECHO, ADD = task("echo"), task("add", 2, 3)


def built(canvas: Json) -> Built:
    """What Celery builds of it."""
    spec = STORED.validate_python(canvas)
    check(spec)
    return Built.of(spec)


def bodies(planned: Plan) -> list[str]:
    """What would be published, as text."""
    return [json.dumps(step.message.body, default=str) for step in planned.steps if isinstance(step, Send)]


def chord(header: list[Json], body: Json, **options: Any) -> Json:
    """A chord of a canvas."""
    return {"chord": {"header": header, "body": body}, **options}


@pytest.mark.parametrize(
    ("canvas", "code"),
    [
        (ADD, "add.s(2, 3)"),
        ({"chain": [ADD, ECHO]}, "chain(add.s(2, 3), echo.s())"),
        (chord([ADD], task("xsum")), "chord([add.s(2, 3)], xsum.s())"),
        ({"chain": [{"group": [ADD]}, ECHO]}, "chain(add.s(2, 3), echo.s())"),
        ({"chain": [{"group": [ADD, ADD]}, ECHO]}, "chord([add.s(2, 3), add.s(2, 3)], echo.s())"),
        ({"group": [ADD, {"group": [ADD, ADD]}]}, "group(add.s(2, 3), add.s(2, 3), add.s(2, 3))"),
        (
            chord([{"group": [task("echo", 1), task("echo", 2)]}, task("echo", 3)], task("finalize")),
            "chord([echo.s(2), echo.s(1), echo.s(3)], finalize.s())",
        ),
        (
            chord([{"chain": [task("echo", 1), {"group": [ECHO, task("add", 1)]}]}, task("echo", 9)], task("finalize")),
            "chord([chain(echo.s(1), group(echo.s(), add.s(1))), echo.s(9)], finalize.s())",
        ),
        (
            {"chain": [{"group": [ADD, ADD]}, {"group": [ECHO, ECHO]}, task("finalize")]},
            "chord([add.s(2, 3), add.s(2, 3)], chord([echo.s(), echo.s()], finalize.s()))",
        ),
        (
            {"chain": [ADD, task("echo", 7, immutable=True, countdown=3.0)]},
            "chain(add.s(2, 3), echo.si(7).set(countdown=3.0))",
        ),
        (
            {"group": [ADD, ADD], "link": task("echo", 1), "link_error": ECHO},
            "group(add.s(2, 3).set(link=echo.si(1)).on_error(echo.s()), add.s(2, 3).on_error(echo.s()))",
        ),
        (
            task("add", 2, kwargs={"y": 3}, retries=2, link=[ECHO, task("finalize")]),
            "add.s(2, y=3).set(headers={'playground_retries': 2}, link=[echo.s(), finalize.s()])",
        ),
        ({"map": {"task": "xsum", "it": [[1, 2], [3]]}}, "xsum.map([[1, 2], [3]])"),
        (
            {"chunks": {"task": "add", "it": [[1, 2], [3, 4], [5, 6]], "n": 2}},
            "group(add.starmap([[1, 2], [3, 4]]), add.starmap([[5, 6]]))",
        ),
    ],
)
def test_what_celery_builds(canvas: Json, code: str) -> None:
    assert built(canvas).code == code


def test_every_planned_task_says_where_it_was_written_and_where_it_stands_in_python() -> None:
    called = {**task("echo", "한😀"), "link": [ECHO, task("finalize")]}
    over = {"chunks": {"task": "add", "it": [[1, 2], [3, 4], [5, 6]], "n": 2}}
    canvas = {"chain": [{"group": [called, over]}, {"group": [ECHO, ECHO], "link_error": task("finalize")}]}
    found = service.preview(STORED.validate_python(canvas))
    places = [(".".join(map(str, node.path)), found.code[slice(*node.span)]) for node in found.graph.nodes]
    assert sorted(places) == [
        ("chain.0.group.0", "echo.s('한😀').set(link=[echo.s(), finalize.s()])"),
        ("chain.0.group.0.link.0", "echo.s()"),
        ("chain.0.group.0.link.1", "finalize.s()"),
        ("chain.0.group.1", "add.starmap([[1, 2], [3, 4]])"),
        ("chain.0.group.1", "add.starmap([[5, 6]])"),
        ("chain.1.group.0", "echo.s().on_error(finalize.s())"),
        ("chain.1.group.1", "echo.s().on_error(finalize.s())"),
        ("chain.1.link_error", "finalize.s()"),
        ("chain.1.link_error", "finalize.s()"),
    ]


def leaf(rng: random.Random, *, given: bool) -> Json:
    """Any task, perhaps with callbacks."""
    found = {**ECHO, "args": [] if given else [rng.randrange(9)]}
    if rng.random() < 0.2:
        found |= {rng.choice(["link", "link_error"]): ECHO}
    return found


def generated(rng: random.Random, *, depth: int, given: bool) -> Json:
    """Any canvas."""
    kind = rng.choice(["task", "chain", "group", "chord"]) if depth > 1 else "task"
    if kind == "task":
        return leaf(rng, given=given)
    number = rng.randint(1, 3)
    if kind == "chain":
        found = {"chain": [generated(rng, depth=depth - 1, given=given or bool(place)) for place in range(number)]}
        members = []
    else:
        members = [generated(rng, depth=depth - 1, given=given) for _ in range(number)]
        body = generated(rng, depth=depth - 1, given=True)
        found = {"group": members} if kind == "group" else chord(members, body)
    linked = kind == "group" and all("task" in member for member in members)
    return found | ({"link_error": ECHO} if linked and rng.random() < 0.5 else {})


def canvases(seed: int, number: int, *, depth: int = 4) -> Iterator[tuple[Json, Plan]]:
    """Random ones with what Celery builds of them, but for such as would block a worker."""
    rng = random.Random(seed)
    while number:
        canvas = generated(rng, depth=depth, given=False)
        with contextlib.suppress(Invalid):
            yield canvas, built(canvas).plan
            number -= 1


def test_every_task_is_known_once_and_reading_changes_no_message() -> None:
    for canvas, found in canvases(5, 300):
        ids = trees.ids(found.tree)
        assert len(ids) == len(set(ids)), canvas
        assert list(found.nodes) == ids
        sent = {step.message.headers["id"] for step in found.steps if isinstance(step, Send)}
        assert {node.id for node in found.nodes.values() if node.sent} == sent
        assert {each for edge in trees.edges(found.tree) for each in edge} <= set(ids)
        text = "".join(bodies(found))
        assert all(
            known in text for known in set(ids) - sent - {each for calls in found.calls.values() for each in calls}
        ), canvas


def test_reading_leaves_the_messages_as_celery_made_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[list[str]] = []

    class Looking(Reader):
        def tree(self, signature: Any, result: Any, steps: Any) -> trees.Tree:
            before.append([json.dumps(step.message.body, default=str) for step in steps if isinstance(step, Send)])
            return super().tree(signature, result, steps)

    monkeypatch.setattr(plan, "Reader", Looking)
    for _, found in canvases(6, 100):
        assert bodies(found) == before.pop()


def test_a_retry_builds_the_same_under_other_ids() -> None:
    for canvas, _ in canvases(7, 50):
        spec = STORED.validate_python(canvas)
        first = Built.of(spec)
        again = Built.of(spec, first.ids)
        assert again.plan.tree == first.plan.tree
        other = Built.of(spec)
        assert [node.task for node in other.plan.nodes.values()] == [node.task for node in first.plan.nodes.values()]
        assert not set(other.plan.nodes) & set(first.plan.nodes)


ONE, TWO = task("echo", 1), task("echo", 2)
NO, CALLED = task("fail", "no"), task("finalize")
GIVEN = task("echo", 1, immutable=True)


@pytest.mark.parametrize(
    ("canvas", "code"),
    [
        (
            {"group": [{"chain": [{"group": [ONE, TWO]}]}, ADD]},
            "group(chain(group(echo.s(1), echo.s(2))), add.s(2, 3))",
        ),
        (chord([{"chain": [{"group": [ONE, TWO]}]}], ECHO), "chord([chain(group(echo.s(1), echo.s(2)))], echo.s())"),
        (
            {"group": [ADD, {"chain": [{"group": [{"group": [ONE]}]}]}]},
            "group(add.s(2, 3), chain(group([group(echo.s(1))])))",
        ),
        (
            {"chain": [{"map": {"task": "xsum", "it": [[1]]}}], "link": CALLED},
            "chain(xsum.map([[1]]).set(link=finalize.s()))",
        ),
        (
            chord([NO], {"chain": [ECHO, ECHO], "link_error": CALLED}),
            "chord([fail.s('no')], chain(echo.s(), echo.s()).on_error(finalize.s()))",
        ),
        (
            chord([NO], {"chain": [{**ECHO, "link_error": CALLED}]}),
            "chord([fail.s('no')], chain(echo.s().on_error(finalize.s())))",
        ),
        (
            {"chain": [chord([NO], {**ECHO, "link_error": CALLED}), chord([ECHO], ECHO)]},
            "chain(chord([fail.s('no')], echo.s().on_error(finalize.s())), chord([echo.s()], echo.s()))",
        ),
        (
            {"chain": [{"group": [ONE, TWO]}, chord([ECHO], ECHO), {"group": [ECHO, ECHO]}]},
            "chain(chord([echo.s(1), echo.s(2)], chord([echo.s()], echo.s())), group(echo.s(), echo.s()))",
        ),
        # The same error callbacks stand at the body of the inner chord, too.
        (
            {
                "chain": [
                    {"group": [ONE, TWO]},
                    {"chain": [ECHO, chord([ECHO], {"chain": [ECHO]}), ECHO], "link_error": CALLED},
                ]
            },
            (
                "chain(group(echo.s(1), echo.s(2)), "
                "chain(echo.s(), chord([echo.s()], chain(echo.s())), echo.s()).on_error(finalize.s()))"
            ),
        ),
    ],
)
def test_what_looks_alike_is_told_apart(canvas: Json, code: str) -> None:
    found = Built.of(STORED.validate_python(canvas))
    assert found.code == code
    assert found.spans.keys() == found.plan.nodes.keys()


def test_a_group_that_is_the_only_step_of_a_member_is_a_list_in_the_tree() -> None:
    found = built(chord([{"chain": [{"group": [ONE, TWO]}]}, ADD], ECHO))
    one, two, add, body = found.plan.nodes
    header = [{"chain": [{"group": [{"task": one}, {"task": two}]}]}, {"task": add}]
    assert found.plan.tree == {"chord": {"header": header, "body": {"task": body}}}
    assert "group-ends-member" in codes(chord([{"chain": [{"group": [ONE, TWO]}]}, ADD], ECHO))


@pytest.mark.parametrize(
    ("canvas", "loc"),
    [
        (chord([ADD], {"group": [ECHO, ECHO]}, link=ECHO), ("body", "link", "args")),
        (
            chord([ADD], chord([ECHO], {"group": [ECHO]}), link=[GIVEN, CALLED]),
            ("body", "link", 1, "args"),
        ),
        (chord([ADD], {"chunks": {"task": "add", "it": [[1, 2]], "n": 1}}, link=CALLED), ("body", "link", "args")),
        (
            chord([ADD], {"chain": [{"group": [task("add", 1), GIVEN]}]}),
            ("body", "chord", "body", "chain", 0, "group", 0, "args"),
        ),
        (
            {"chain": [{"group": [ADD, ADD]}, {"chain": [{"group": [GIVEN, ECHO]}]}]},
            ("body", "chain", 1, "chain", 0, "group", 1, "args"),
        ),
    ],
)
def test_a_task_to_which_celery_hands_nothing_is_refused(canvas: Json, loc: tuple[str | int, ...]) -> None:
    for use in (service.preview, service.submit_any):
        with pytest.raises(Invalid) as refused:
            use(STORED.validate_python(canvas))
        assert [(error.type, error.loc) for error in refused.value.errors] == [("arguments", loc)]


@pytest.mark.parametrize(
    ("canvas", "text"),
    [
        (task("add", 1), "add(x, y) takes 2, but is given 1"),
        (task("add", 1, immutable=True, link=task("add", immutable=True)), "add(x, y) takes 2, but is given 1"),
        ({"chain": [ADD, ADD]}, "add(x, y) takes 2, but is given 3 with the result that comes before it"),
        ({"group": [ADD], "link": ECHO}, "echo(value) takes 1, but is given 0: Celery hands it nothing"),
        ({"group": [ADD], "link": task("echo", 1, 2)}, "echo(value) takes 1, but is given 2"),
        # Celery drops it where the chain within is spliced.
        (
            {"chain": [{"chain": [ADD, ECHO], "link_error": task("echo", 1)}, ECHO]},
            "echo(value) takes 1, but is given 2 with the result that comes before it",
        ),
    ],
)
def test_a_fault_says_what_celery_hands_a_task(canvas: Json, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        service.preview(STORED.validate_python(canvas))
    assert refused.value.errors[0].msg == text


def test_a_callback_to_which_celery_hands_nothing_has_its_arguments_itself() -> None:
    """It was refused with them as with too many."""
    canvas = chord([ADD], {"group": [ECHO, ECHO]}, link=task("echo", 1))
    code = "chord([add.s(2, 3)], group(echo.s().set(link=echo.si(1)), echo.s()))"
    assert service.preview(STORED.validate_python(canvas)).code == code


@pytest.mark.parametrize(
    "member",
    [
        {"chain": [ADD, {"group": [ECHO, task("echo", ignore_result=True)]}]},
        {"chain": [ADD, chord([ECHO, ECHO], {"group": [ECHO, ECHO]})]},
        chord([ADD, ADD], {"group": [ECHO, ECHO]}),
    ],
)
def test_what_would_block_a_worker_is_refused(member: Json) -> None:
    with pytest.raises(Invalid) as refused:
        built(chord([member, ADD], ECHO))
    assert refused.value.code == "canvas_blocks"
    built(chord([{"chain": [ADD, {"group": [ECHO, ECHO]}]}, ADD], ECHO))


PAIR = {"group": [task("echo", 1, immutable=True)] * 2}
CHORD = chord([task("echo", 1, immutable=True)] * 2, ECHO)


def row(pairs: int, members: int = 2) -> Json:
    """So many groups, each followed by a task."""
    first = [{"group": [task("echo", 1)] * members}, task("xsum")]
    return {"chain": first + [{"group": [ECHO] * members}, task("xsum")] * (pairs - 1)}


@pytest.mark.parametrize(
    ("canvas", "code"),
    [
        (row(8), "canvas_bytes"),
        (row(40), "canvas_bytes"),
        ({"chain": [{"group": [task("echo", 1)] * 500}, {"group": [ECHO] * 499}]}, "canvas_bytes"),
        ({"chain": [{"group": [task("echo", 1)] * 110}, {"group": [ECHO] * 110}]}, "canvas_edges"),
        ({"chain": [CHORD] * 17}, "canvas_levels"),
        ({"chain": [CHORD] * 300}, "canvas_levels"),
        ({"chain": [{"chain": [PAIR, ECHO]}] * 40}, "canvas_levels"),
        # What follows is called by each of two, and what follows that by each of four.
        ({"chain": [chord(PAIR["group"], PAIR)] * 14}, "canvas_tasks"),
        ({"chain": [{"chain": [PAIR] * 5}] * 6}, "canvas_tasks"),
    ],
)
def test_what_would_be_too_much_is_refused(canvas: Json, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        built(canvas)
    assert [error.type for error in refused.value.errors] == [code]
    assert refused.value.values["limit"] > 0


def test_so_many_chords_in_a_row_are_built() -> None:
    assert len(built({"chain": [CHORD] * 16}).plan.nodes) == 48


def test_what_is_refused_before_the_build_nests_no_less() -> None:
    for canvas, found in canvases(8, 300):
        least, _ = levels(STORED.validate_python(canvas))
        assert least == 1 or deeper_than(least - 1, found.tree), canvas


def codes(canvas: Json) -> Mapping[str, Any]:
    """The traps in it, with their values."""
    spec = STORED.validate_python(canvas)
    return {str(each.code): each.values for each in warnings_about(spec, Built.of(spec).plan)}


def test_traps() -> None:
    assert codes(ADD) == {}
    assert codes(chord([ADD], ECHO)) == {"header-of-one": {}, "header-failure": {}}
    assert codes({"chain": [{"group": [ADD]}, ECHO]}) == {"group-of-one": {}}
    assert set(codes({"chain": [{"group": [ADD, ADD]}, task("add", 1)]})) == {
        "group-becomes-chord", "header-failure", "list-to-one",
    }  # fmt: skip
    assert set(codes(chord([{"group": [ADD, ADD]}, ADD], {**ECHO, "link_error": ECHO}))) == {
        "nested-group-reversed", "header-failure", "body-errback",
    }  # fmt: skip
    surprising = task("echo", 1, immutable=True, countdown=300.0, queue="q", time_limit=3.0)
    assert set(codes({"chain": [ADD, surprising]})) == {"immutable", "countdown", "queue", "time-limit"}
    assert codes({"map": {"task": "xsum", "it": [[1]]}}) == {"one-task": {"task": "xsum"}}
    assert "message-size" in codes(row(6))


@pytest.mark.parametrize(
    ("canvas", "warns"),
    [
        ({"chain": [ADD, GIVEN]}, True),
        ({"chain": [{"group": [ADD, ADD]}, GIVEN]}, True),
        (chord([ADD], {"group": [ECHO, GIVEN]}), True),
        (task("echo", 1, link=GIVEN), True),
        # Celery would hand these nothing, or an id.
        (GIVEN, False),
        ({"chain": [GIVEN, ECHO]}, False),
        ({"chain": [{"group": [GIVEN, ONE]}, ECHO]}, False),
        ({"group": [ADD], "link": GIVEN}, False),
        (chord([ADD], {"group": [ECHO, ECHO]}, link=GIVEN), False),
        ({"chain": [{"group": [ADD, ADD]}, {"chain": [{"group": [GIVEN, GIVEN]}]}]}, False),
        (task("echo", 1, link_error=GIVEN), False),
    ],
)
def test_an_immutable_task_is_warned_of_where_celery_would_hand_it_a_result(canvas: Json, warns: bool) -> None:
    assert ("immutable" in codes(canvas)) is warns


ADDED: Json = {"starmap": {"task": "add", "it": [[1, 2], [3, 4]]}}
IN_CHUNKS: Json = {"chunks": {"task": "add", "it": [[1, 2], [3, 4], [5, 6]], "n": 2}}
IN_ONE: Json = {"chunks": {"task": "add", "it": [[1, 2]], "n": 2}}


@pytest.mark.parametrize(
    ("canvas", "warns"),
    [
        # They are always immutable, and give lists; the result of each was seen under bare Celery.
        ({"chain": [ADD, ADDED]}, {"one-task", "immutable"}),
        ({"chain": [ADD, IN_CHUNKS]}, {"immutable"}),
        ({"chain": [ADDED, ADDED]}, {"one-task", "immutable"}),
        (chord([ADD, ADD], ADDED), {"one-task", "immutable", "header-failure"}),
        (ADDED, {"one-task"}),
        ({"chain": [ADDED, task("add", 1)]}, {"one-task", "list-to-one"}),
        ({"chain": [ADDED, task("xsum")]}, {"one-task"}),
        ({"chain": [ADDED, {"group": [ECHO, task("add", 1)]}]}, {"one-task", "list-to-one"}),
        # Chunks are a group.
        ({"chain": [IN_CHUNKS, ECHO]}, {"group-becomes-chord", "header-failure"}),
        ({"chain": [IN_ONE, ECHO]}, {"group-of-one"}),
        ({"group": [IN_CHUNKS, ADD]}, {"nested-group"}),
        (chord([IN_CHUNKS, ADD], ECHO), {"nested-group-reversed", "header-failure"}),
        # So is a group at the end of a chain that goes on.
        ({"chain": [{"chain": [ADD, {"group": [ECHO, ECHO]}]}, ECHO]}, {"group-becomes-chord", "header-failure"}),
        ({"chain": [{"chain": [ADD, {"group": [ECHO]}]}, ECHO]}, {"group-of-one"}),
    ],
)
def test_traps_of_maps_and_chunks(canvas: Json, warns: set[str]) -> None:
    assert set(codes(canvas)) == warns


def test_a_message_has_the_highest_priority_unless_told_otherwise() -> None:
    canvas = {"group": [ADD, task("add", 1, 2, priority=3), {"map": {"task": "xsum", "it": [[1]]}}]}
    sent = [step.options.get("priority") or 0 for step in built(canvas).plan.steps if isinstance(step, Send)]
    assert sent == [0, 3, 0]


def test_a_chain_may_be_as_long_as_it_likes() -> None:
    found = built({"chain": [ADD, *[task("add", 1)] * 999]}).plan
    assert len(found.tree["chain"]) == len(found.nodes) == 1000


def test_calls_that_cannot_be_told_apart_are_refused() -> None:
    linked = {"group": [{**ECHO, "link": task("finalize")}, ECHO]}
    with pytest.raises(Invalid) as refused:
        built({"chain": [{"group": [ADD, ADD]}, {"group": [ECHO, ECHO, ECHO]}, linked]})
    assert refused.value.code == "canvas_repeats"


def test_what_only_hands_on_waits_for_no_time() -> None:
    spec = STORED.validate_python({"chain": [task("add", 1, 2, countdown=25.0, expires=2.0), ECHO]})
    first, last = Built.of(spec).ids
    (send,) = Built.of(spec, [first, last], handing_on={first}).plan.steps
    assert isinstance(send, Send)
    assert (send.message.headers["eta"], send.message.headers["expires"]) == (None, None)
