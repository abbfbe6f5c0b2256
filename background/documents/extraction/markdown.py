"""Markdown to readable text, by way of HTML, of which no more is held at a time than has to be."""

import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from background.documents.extraction import Reading
from background.documents.extraction.encoding import decode
from background.documents.extraction.html import is_closed, read_markup

PIECE: Final = 256 * 1024  # characters of HTML that are laid out at a time; its tree takes many times as much

_BLOCK: Final = re.compile(r"<(?:p|h[1-6r]|[ou]l|pre|blockquote|table)[\s>]")


def read_markdown(data: bytes) -> Reading:
    """CommonMark with tables, strikethrough, task lists, footnotes and front matter, which is left out.

    The title is the first heading; lines stay lines, and an image is its description.
    """
    read = decode(data)
    parts = [read_markup(piece, "h1, h2, h3, h4, h5, h6") for piece in _pieces(_html(read.text))]
    title = next((title for title, _ in parts if title), None)
    return read._replace(title=title, text="\n\n".join(text for _, text in parts))


def _html(source: str) -> list[str]:
    """What markdown-it makes of `source`, block by block, with the footnotes at the end."""
    html: list[str] = []
    notes: list[Token] = []
    known: dict[str, Any] = {}
    again: dict[str, Any] = {}
    if "]:" in source:  # definitions, of links or notes; what refers to them may stand before them
        _parse_blocks(source, known, lambda _: None)
    text, tail = _parser("inline", "github-tasklists", "text_join"), _parser("footnote_tail", "text_join")

    def render(parser: MarkdownIt, tokens: list[Token]) -> None:
        html.append(parser.renderer.render(tokens, parser.options, known))

    def finish(tokens: list[Token]) -> None:
        text.core.process(StateCore("", text, known, tokens))
        shown: list[Token] = []
        in_note = False
        for token in tokens:
            in_note |= token.type == "footnote_reference_open"
            (notes if in_note else shown).append(token)
            in_note &= token.type != "footnote_reference_close"
        render(text, shown)
        again.clear()

    _parse_blocks(source, again, finish)
    end = StateCore("", tail, known, notes)
    tail.core.process(end)
    render(tail, end.tokens)
    return html


def _parse_blocks(source: str, env: dict[str, Any], finish: Callable[[list[Token]], None]) -> None:
    """Call `finish` with each block that is in no other one, as soon as the next one begins."""
    parser = _parser("normalize", "block")

    def begin(state: StateBlock, _start: int, _end: int, _silent: bool) -> bool:
        if state.level == 0 and state.tokens:
            finish(state.tokens)
            state.tokens.clear()
        return False

    parser.block.ruler.before("front_matter", "begin", begin)
    finish(parser.parse(source, env))


def _parser(*rules: str) -> MarkdownIt:
    # What is nested deeper than the parser can follow is refused, not left out.
    parser = MarkdownIt("commonmark", {"html": True, "breaks": True, "maxNesting": 100_000})
    parser.enable(["table", "strikethrough"])
    parser.use(footnote_plugin).use(front_matter_plugin).use(tasklists_plugin)
    parser.core.ruler.enableOnly(rules)
    parser.add_render_rule(
        "image",
        lambda self, tokens, at, options, env: escape(self.renderInlineAsText(tokens[at].children, options, env)),
    )
    for mark in ("footnote_ref", "footnote_anchor"):
        parser.add_render_rule(mark, lambda *_: "")
    return parser


def _pieces(html: list[str]) -> Iterator[str]:
    """Parts that are laid out as they are within the whole: cut where a block begins and no element is open."""
    piece: list[str] = []
    size, enough = 0, PIECE
    for block in html:
        if size >= enough and _BLOCK.match(block):
            enough = 2 * size
            if is_closed("".join(piece)):
                yield "".join(piece)
                piece, size, enough = ["<br>"], 0, PIECE  # within a page, <frameset> is nothing any more
        piece.append(block)
        size += len(block)
    yield "".join(piece)
