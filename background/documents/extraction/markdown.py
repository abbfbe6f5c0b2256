"""Markdown to readable text, by way of the HTML that pulldown-cmark makes of it."""

import re
from collections.abc import Iterator
from typing import Final

import pyromark

from background.documents.extraction import Reading
from background.documents.extraction.encoding import decode
from background.documents.extraction.html import read_markup

_OPTIONS: Final = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
)
# pulldown-cmark would take what stands between any two rules for it.
_FRONT_MATTER: Final = re.compile(
    r"(?:---[ \t]*\r?\n(?=[\w\"'-]+:).*?\n(?:---|\.\.\.)|\+\+\+[ \t]*\r?\n(?=[^+=]*=).*?\n\+\+\+)[ \t\r]*(?:\n|\Z)",
    re.DOTALL,
)
_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")
_NOTE_NUMBER: Final = re.compile(r'<sup class="footnote-(?:reference|definition-label)">.*?</sup>')
_IMAGE: Final = re.compile(r'<img src="[^"]*" alt="([^"]*)"(?: title="[^"]*")? />')

_PIECE: Final = 512 * 1024  # characters; pulldown-cmark takes up to fifty times as much memory
_BLOCK: Final = 512 * 1024  # characters; larger blocks are parted, too
# Where a block may end; failing that, where a larger one may be parted: a line in it, white space, any place.
_BORDERS: Final = (
    re.compile(r"\n(?:[ \t\r]*\n(?=\S)|(?=#{1,6} |[-*+] +[^\s*+-]))()"),
    re.compile(r"\n(?=([ \t>]*+)\S)"),
    re.compile(r"\s+(?=\S)()"),
    re.compile(r"()"),
)
# The line below the head of a table: rows that are parted from it get an empty head like it.
_TABLE: Final = re.compile(r"(?m)^([ >]*+)\|?((?: *:?-+:? *\|)+)(?: *:?-+:?)?[ \r]*$")
_PROBE: Final = "\x01"  # the label of a definition that is none where code, or a block of HTML, goes on
_NOTE: Final = re.compile(r"\[(\^[^\]\s]+)\]")
_NOTE_TEXT: Final = re.compile(r"^ {0,3}\[(\^[^\]\s]+)\]:", re.MULTILINE)


def read_markdown(data: bytes) -> Reading:
    """CommonMark with tables, strikethrough, task lists, footnotes and front matter, which is left out.

    The title is the first heading; lines stay lines, and an image is its description.
    """
    read = decode(data)
    front = _FRONT_MATTER.match(read.text)
    pieces = (_IMAGE.sub(r"\1", _NOTE_NUMBER.sub("", html)) for html in _html(read.text, front.end() if front else 0))
    titles, text = read_markup(pieces, _HEADINGS)
    return read._replace(title=next(iter(titles.values()), None), text=text)


def _html(text: str, at: int) -> Iterator[str]:
    """What stands from `at` on, in pieces; where one ends a block, the references of all find what they name."""
    pieces: list[tuple[str, slice]] = []
    labels: set[str] = set()
    size, table = _PIECE, ""
    while at < len(text):
        after = at + size
        borders = (each.search(text, after, after + _BLOCK) for each in _BORDERS if after + _BLOCK < len(text))
        border = next(filter(None, borders), None) or _BORDERS[0].search(text, after)
        end = border.end() if border else len(text)
        piece = table + text[at:end]
        probe = "\n" * (not piece.endswith("\n")) + f"{border[1] if border else ''}- [{_PROBE}]: x"
        found = pyromark.reference_definitions(piece + probe, options=_OPTIONS)
        if border and _PROBE not in found:
            size *= 2
            continue
        pieces.append((table, slice(at, end)))
        labels.update(map(str.casefold, found))
        rows = _TABLE.search(piece.rpartition("\n\n")[2]) if border and border.re is _BORDERS[1] else None
        table = "".join(f"{rows[1]}|{cell * (rows[2].count('|') + 1)}\n" for cell in (" |", "-|")) if rows else ""
        at, size = end, _PIECE
    notes = set(_NOTE_TEXT.findall(text)) if len(pieces) > 1 else set()
    for table, part in pieces:
        piece = table + text[part]
        yield pyromark.html(
            "".join(f"[{note}]:\n\n" for note in notes.intersection(_NOTE.findall(piece))) + piece,
            options=_OPTIONS,
            broken_link_callback=lambda link: ("", "") if link["reference"].casefold() in labels else None,
        )
