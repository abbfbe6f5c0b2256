"""HTML to readable text; the other readers of markup lay out theirs in the same way."""

import re
from collections.abc import Iterable
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from background.documents.extraction import Reading
from background.documents.extraction.encoding import decode

# Stand in a text where its layout has a border, until `laid_out`; no source keeps them.
BLOCK, LINE, CELL, BREAK, SPACE, NEWLINE, TAB = "\x01\x02\x03\x04\x05\x06\x07"
UNMARKED: Final = dict.fromkeys(range(1, 8))
KEPT: Final = str.maketrans({" ": SPACE, "\n": NEWLINE, "\t": TAB})
_SHOWN: Final = str.maketrans({SPACE: " ", NEWLINE: "\n", TAB: "\t"})
_SPACES: Final = re.compile(r"[^\S ]\s*|\s{2,}")  # but for a single space, of which there are millions
_BORDER: Final = re.compile(" ?[\x01-\x04][ \x01-\x04]*")

_DECLARED: Final = re.compile(
    rb"(?i)(?:<meta[^<>]{0,500}?charset|<\?xml[^<>]{0,200}?encoding)\s*=\s*[\"']?\s*([a-z0-9_:.-]{1,40})"
)
_SKIPPED: Final = (
    "script, style, template, title, datalist, noscript, noembed, noframes, svg, math, iframe, object, canvas, audio, "
    "video, rt, rp"
)
_NEXT: Final = "what-comes-next"
_MARKS: Final = {
    "address, article, aside, blockquote, body, center, details, dialog, dir, div, dl, fieldset, figure, footer, form,"
    "h1, h2, h3, h4, h5, h6, header, hgroup, hr, listing, main, menu, nav, ol, p, plaintext, pre, search, section,"
    "table, ul, xmp": BLOCK,
    "li, dt, dd, tr, option, optgroup, figcaption, caption, legend, summary": LINE,
    "td, th": CELL,
}


def read_html(data: bytes) -> Reading:
    """The encoding comes from the byte order mark or a declaration in the first 4 KB, else it is guessed.

    The title is `<title>`, else the first `<h1>`.
    """
    declared = _DECLARED.search(data[:4096])
    read = decode(data, declared=declared[1].decode("ascii") if declared else None)
    title, text = read_markup(read.text, ":not(svg) > title", "h1")
    return read._replace(title=title, text=text)


def read_markup(source: str, *titles: str) -> tuple[str | None, str]:
    """Title and text: block elements are paragraphs, list items and table rows lines, table cells tab-separated.

    The title is what the first of the selectors `titles` finds that finds words.
    """
    title, marked = _marked(source, titles)  # the tree is gone by now
    return title, laid_out(marked)


def _marked(source: str, titles: Iterable[str]) -> tuple[str | None, str]:
    tree = _tree(source)
    found = (node.text(deep=True).strip() for title in titles for node in tree.css(title))
    title = next(filter(None, found), None)
    tree.strip_tags(["head", *_SKIPPED.split(", ")])
    nested = {node.mem_id for node in tree.css("li ul, li ol, li > p:first-child")}
    for selector, mark in _MARKS.items():
        for node in tree.css(selector):
            border = LINE if node.mem_id in nested else mark
            node.insert_before(border)
            node.insert_after(border)
    for node in tree.css("br"):
        node.replace_with(BREAK)
    for node in tree.css("pre"):
        node.replace_with(BLOCK + node.text(deep=True).translate(KEPT) + BLOCK)
    return title, tree.root.text(deep=True) if tree.root is not None else ""


def is_closed(source: str) -> bool:
    """Whether `source` leaves no tag or element open, so that a block behind it can be read without it."""
    body = _tree(f'{source}<p id="{_NEXT}">').body
    last = body.last_child if body is not None else None
    return last is not None and last.attributes == {"id": _NEXT}


def _tree(source: str) -> LexborHTMLParser:
    return LexborHTMLParser(source.translate(UNMARKED).encode("utf-8", "replace"))


def laid_out(marked: str) -> str:
    """The text of `marked`: its white space collapsed, its borders in the place of what stands beside them."""
    return _BORDER.sub(_border, _SPACES.sub(" ", marked)).translate(_SHOWN)


def _border(found: re.Match[str]) -> str:
    if BLOCK in found[0] or found[0].count(BREAK) > 1:
        return "\n\n"
    return "\n" if LINE in found[0] or BREAK in found[0] else "\t"
