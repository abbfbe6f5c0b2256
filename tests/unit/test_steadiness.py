"""When PostgreSQL counts as steady, so that a lease that ran out means a lost worker."""

from background.upkeep.reaping import Steadiness


def noted(*clocks: float) -> float:
    """How steady it is after answers at these times."""
    steadiness = Steadiness()
    for clock in clocks:
        steadiness.note(clock)
    return steadiness.seconds


def test_answers_add_up() -> None:
    assert noted() == 0
    assert noted(100) == 0
    assert noted(100, 101, 102.5) == 2.5


def test_a_gap_begins_it_anew() -> None:
    assert noted(100, 101, 200, 201) == 1


def test_a_clock_that_is_set_back_begins_it_anew() -> None:
    assert noted(100, 101, 50, 51) == 1


def test_an_answer_that_is_missing_begins_it_anew() -> None:
    steadiness = Steadiness()
    steadiness.note(100)
    steadiness.note(101)
    steadiness.forget()
    assert steadiness.seconds == 0
    steadiness.note(102)
    steadiness.note(103)
    assert steadiness.seconds == 1
