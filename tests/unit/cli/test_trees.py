"""Where a task stands in the tree of its run."""

import itertools

from background.cli.trees import DEEPEST, parents


def test_a_chain_goes_down() -> None:
    assert parents(["a", "b", "c"], [("a", "b"), ("b", "c")]) == {"a": None, "b": "a", "c": "b"}


def test_the_members_of_a_group_stand_side_by_side() -> None:
    assert parents(["a", "b", "c"], [("b", "c")]) == {"a": None, "b": None, "c": "b"}


def test_a_body_stands_beside_its_header() -> None:
    edges = [("a", "b"), ("b", "c"), ("d", "e"), ("c", "e"), ("e", "f")]
    assert parents(list("abcdef"), edges) == {"a": None, "b": "a", "c": "b", "d": None, "e": None, "f": "e"}


def test_a_chord_within_a_chain_stays_under_what_is_before_it() -> None:
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    assert parents(list("abcd"), edges) == {"a": None, "b": "a", "c": "a", "d": "a"}


def test_a_long_chain_stays_within_the_terminal() -> None:
    nodes = [str(number) for number in range(1000)]
    found = parents(nodes, list(itertools.pairwise(nodes)))
    assert {found[node] for node in nodes[DEEPEST:]} == {str(DEEPEST - 2)}
