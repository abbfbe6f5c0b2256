"""Text from elsewhere, written so that it gives a terminal no orders and begins no line of its own."""

import unicodedata
from collections.abc import Callable

NOT_SHOWN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control characters, invisible format characters (text that runs backwards), half surrogates, odd line ends."""


def python_escape(character: str) -> str:
    r"""A character as Python writes it in a string, e.g. `\x1b`."""
    return ascii(character)[1:-1]


def escaped(text: str, *, keep: str = "", escape: Callable[[str], str] = python_escape) -> str:
    """The text with an `escape` for each character that a terminal would obey; those in `keep` stay."""
    if text.isprintable():
        return text
    return "".join(
        each if each in keep or unicodedata.category(each) not in NOT_SHOWN else escape(each) for each in text
    )


def indented(text: str) -> str:
    """Text of several lines, to stand below the line it belongs to, so that none of them looks like one of its own.

    Begins with a line end, unless there is no text; blank lines are left out.
    """
    return "".join(f"\n    {escaped(line.expandtabs())}" for line in text.rstrip("\n").split("\n") if line)
