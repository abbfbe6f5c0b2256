"""Nothing that comes from the API can give orders to a terminal."""

import io

import pytest
from rich.console import Console

from background.cli import tables, trees
from background.cli.text import clean, short

NASTY = "a\x1b[2J\x9b31m\r\n\u202e[bold]b[/bold]:smile:\ud800"
HARMLESS = r"a\x1b[2J\x9b31m\r\n\u202e[bold]b[/bold]:smile:\ud800"


def printed(renderable: object) -> str:
    """What a colourful terminal would get, without its own colours."""
    out = io.StringIO()
    Console(file=out, width=400, force_terminal=True, color_system=None, emoji=False, markup=False).print(renderable)
    return out.getvalue()


def test_what_a_terminal_would_obey_is_written_as_an_escape() -> None:
    assert clean(NASTY) == HARMLESS
    assert clean("한국어, naïve, 🙂 and\u3000more") == "한국어, naïve, 🙂 and\u3000more"


def test_lines_may_stay() -> None:
    assert clean("a\nb\tc\x1b", lines=True) == "a\nb       c\\x1b"


def test_a_value_is_cut() -> None:
    assert short(list(range(100)), 12) == "[0, 1, 2, 3…"
    assert short({"x": "é"}) == '{"x": "é"}'


@pytest.mark.parametrize(
    "renderable",
    [
        tables.documents_table([{"name": NASTY, "size": 1, "type": "x"}]),
        tables.workers_table(
            [
                {
                    "name": "w",
                    "status": NASTY,
                    "pool": "solo",
                    "concurrency": 1,
                    "pid": 1,
                    "seen_at": None,
                    "running": [],
                }
            ]
        ),
        tables.ending({"id": 1, "status": "FAILED", "result": None, "error": NASTY}),
        trees.preview(
            {
                "graph": {"nodes": [{"id": "1", "task": NASTY, "args": [NASTY]}], "edges": [], "tree": {"task": "1"}},
                "code": NASTY,
                "warnings": [{"message": NASTY, "url": ""}],
            }
        ),
    ],
)
def test_no_answer_reaches_a_terminal_as_it_is(renderable: object) -> None:
    shown = printed(renderable)
    assert "[bold]b[/bold]" in shown
    assert not {"\x1b", "\x9b", "\r", "\u202e", "\ud800"} & set(shown)
