"""Whom limits let in, and what is wrong with one."""

from collections.abc import Mapping
from typing import Any

import pytest

from background.jobs.limits import Control, Declared, Lane, Limit, Rate, Standing, lane_key
from background.jobs.pipeline import DeclaredWrong, Params, Pipeline
from background.jobs.schemas import WaitingFacts, told
from background.jobs.waiting import sentence


class Order(Params):
    customer: int = 0


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (Limit(0), "Limit takes a concurrency from 1 to 1,000,000; it was given 0"),
        (Limit(concurrency=True), "it was given True"),
        (Limit("3"), "it was given '3'"),  # type: ignore[arg-type]
        (Rate(0, 60), "Rate takes a count from 1"),
        (Rate(-1, 60), "it was given -1"),
        (Rate(10, 0), "Rate takes more than 0"),
        (Rate(10, float("nan")), "it was given nan"),
        (Rate(10, float("inf")), "it was given inf"),
        (Limit(3, key="costumer"), "the key of a limit must name a parameter; 'costumer' is none"),
        ("3 at once", "its limits must be a list of Limit and Rate"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_declared_wrong(limit: Any, said: str) -> None:
    with pytest.raises(DeclaredWrong) as error:
        Pipeline("order", Order, limits=[limit])
    assert said in str(error.value)


def standing(limits: list[Limit | Rate], controls: Mapping[tuple[str, str], Control] | None = None) -> Standing:
    keys = list(dict.fromkeys(each.key for each in limits if each.key))
    return Standing(controls or {}, {"order": Declared(limits, keys)})


def lane(customer: int, queue: str = "celery") -> Lane:
    return Lane(queue, "order", lane_key(["customer"], {"customer": customer}))


def test_lanes_have_their_turns_and_the_last_of_them_comes_last() -> None:
    waiting = [(lane(1), 50), (lane(2), 1), (lane(3), 2)]
    admitted = standing([Limit(7), Limit(4, key="customer")]).admit(waiting, most=100)
    assert list(admitted.items()) == [(lane(2), 1), (lane(3), 2), (lane(1), 4)]
    assert standing([Limit(2)]).admit(waiting, most=100) == {lane(1): 1, lane(2): 1}
    assert standing([]).admit(waiting, most=10) == {lane(1): 7, lane(2): 1, lane(3): 2}


def test_what_runs_or_was_let_in_takes_room_and_what_began_does_for_its_time() -> None:
    found = standing([Limit(2, key="customer"), Rate(3, 60)])
    found.running(lane(1), 2, [5, 4])
    assert found.admit([(lane(1), 9)], most=100) == {}
    found.begun(lane(1), 1, 60)
    found.begun(lane(1), 1, 30)  # counted for the window of another
    found.begun(lane(2), 1, None)
    assert found.admit([(lane(1), 9), (lane(2), 9)], most=100) == {lane(2): 1}
    assert found.why(lane(1)) == {
        "code": "concurrency_limit",
        "pipeline": "order",
        "key": "customer",
        "value": 1,
        "of": "pipeline order with customer 1",
        "limit": 2,
        "holders": [4, 5],
    }
    rate = {"code": "rate_limit", "pipeline": "order", "of": "pipeline order", "limit": 3, "per_seconds": 60}
    assert found.why(lane(2)) == rate


def test_the_value_of_a_limit_comes_as_it_is_in_json() -> None:
    found = standing([Limit(1, key="customer")])
    for value in (None, "7 with x", {"id": [7]}):
        at = Lane("mail", "order", lane_key(["customer"], {"customer": value}))
        found.running(at, 1, [4])
        facts = told(WaitingFacts.model_validate(found.why(at)))
        assert facts is not None
        assert (facts["pipeline"], facts["key"], facts["value"]) == ("order", "customer", value)
        assert "queue" not in facts


def test_where_not_all_that_have_a_place_are_named_it_says_so() -> None:
    found = standing([Limit(2)])
    found.running(lane(1), 2, [5, 4])
    assert sentence(found.why(lane(1)) or {}).endswith("2 at once of the pipeline order, now jobs 4, 5.")
    found = standing([Limit(9)])
    found.running(lane(1), 9, [5, 4])
    assert sentence(found.why(lane(1)) or {}).endswith("now jobs 4, 5 and others.")


def test_what_is_said_of_a_rate_is_right_for_one_and_for_a_year() -> None:
    found = standing([Rate(1, 31_536_000)])
    found.begun(lane(1), 1, 31_536_000)
    said = sentence(found.why(lane(1)) or {})
    assert said == "Its turn has not come: at most 1 of the pipeline order may begin in 31,536,000 s."


@pytest.mark.parametrize(
    ("limits", "alone"),
    [
        ([Limit(1, key="customer"), Rate(2, 60, key="customer")], True),
        ([Limit(1, key="customer"), Rate(2, 60)], True),
        ([Rate(2, 60), Rate(2, 60, key="customer")], True),
        ([], True),
        ([Limit(1), Limit(1, key="customer")], False),
        ([Limit(1, key="customer"), Limit(1, key="host")], False),
        ([Limit(1, key="customer"), Rate(1, 60, key="host")], False),
    ],
)
def test_for_whom_the_end_of_a_job_makes_room(limits: list[Limit | Rate], alone: bool) -> None:
    assert standing(limits).is_apart(lane(1)) is alone
    assert standing(limits, {("queue", "celery"): Control(rate_count=1, rate_seconds=1)}).is_apart(lane(1)) is alone
    assert not standing(limits, {("queue", "celery"): Control(concurrency=1)}).is_apart(lane(1))


def test_a_pause_lets_nobody_in() -> None:
    paused = Control(paused=True)
    for key in (("queue", "celery"), ("pipeline", "order")):
        found = standing([], {key: paused})
        assert found.admit([(lane(1), 1), (Lane("celery", "other", ""), 1)], most=9).get(lane(1)) is None
        assert (found.why(lane(1)) or {})["code"] == f"{key[0]}_paused"
    assert standing([], {("queue", "other"): paused}).why(lane(1)) is None


def test_a_long_value_of_a_key_is_as_good_as_itself() -> None:
    one, other = (lane_key(["customer"], {"customer": "x" * 100_000 + end}) for end in "ab")
    assert one != other
    assert len(one) < 300
    assert lane_key([], {"customer": 1}) == ""


def test_values_of_a_key_that_are_stored_alike_are_one() -> None:
    for one, other in (
        (0.0, -0.0),
        ({"street": 1, "city": {"b": -0.0, "a": 1e22}}, {"city": {"a": 1e22, "b": 0.0}, "street": 1}),
        ({"street": "x" * 100, "city": 1}, {"city": 1, "street": "x" * 100}),
    ):
        assert lane_key(["customer"], {"customer": one}) == lane_key(["customer"], {"customer": other})
    others: list[Any] = [0, 0.0, "0", "0.0", False, None, "", [], {}]
    assert len({lane_key(["customer"], {"customer": each}) for each in others}) == len(others)
