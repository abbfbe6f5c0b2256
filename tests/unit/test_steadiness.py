"""When PostgreSQL counts as steady, so that a lease that ran out means a lost worker; and when its clock has jumped."""

import pytest

from background.upkeep.leases import Look
from background.upkeep.reaping import Steadiness


def noted(*clocks: float) -> float:
    """How steady it is after answers at these times."""
    steadiness = Steadiness()
    for clock in clocks:
        steadiness.note(clock, started=1)
    return steadiness.seconds


def test_answers_add_up() -> None:
    assert noted() == 0
    assert noted(100) == 0
    assert noted(100, 101, 102.5) == 2.5


def test_a_gap_begins_it_anew() -> None:
    assert noted(100, 101, 200, 201) == 1


def test_a_clock_that_is_set_back_begins_it_anew() -> None:
    assert noted(100, 101, 50, 51) == 1


def test_a_server_that_was_started_again_begins_it_anew() -> None:
    steadiness = Steadiness()
    for clock, started in ((100, 1), (101, 1), (102, 101.5), (103, 101.5)):
        steadiness.note(clock, started=started)
    assert steadiness.seconds == 1


def test_an_answer_that_is_missing_begins_it_anew() -> None:
    steadiness = Steadiness()
    steadiness.note(100, started=1)
    steadiness.note(101, started=1)
    steadiness.forget()
    assert steadiness.seconds == 0
    steadiness.note(102, started=1)
    steadiness.note(103, started=1)
    assert steadiness.seconds == 1


@pytest.mark.parametrize(
    ("clock", "since", "until", "jump"),
    [
        (1005, 5, 5, 0),
        (1005.9, 5, 5, 0),  # it is adjusted
        (1305, 5, 5, 300),
        (705, 5, 5, -300),
        (1009, 5, 9, 0),  # the answer took its time
        (1309, 5, 9, 300),
        (3600 + 1005, 5, 5, 3600),  # the machine slept, and with it our own clock
    ],
)
def test_a_jump_of_the_clock(clock: float, since: float, until: float, jump: float) -> None:
    assert Look(clock, since, until).jump(Look(1000, 0, 0)) == jump
