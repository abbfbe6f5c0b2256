"""HTML to readable text, by the events of libxml2's parser: no tree of a page is ever held."""

import re
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Final

import webencodings
from lxml import etree

from background.documents.extraction import Reading
from background.documents.extraction.encoding import decode
from background.documents.extraction.layout import BLOCK, CELL, LINE, Layout

_LABEL: Final = rb"\s*=\s*[\"']?\s*([a-z0-9_:.-]{1,40})"
# As the Standard has it a page's own word goes before that of its XML. What has a name is no word on the encoding.
_DECLARED: Final = (
    re.compile(rb"(?i)<meta(?![^<>]{0,500}?\s(?:name|property)\s*=)[^<>]{0,500}?charset" + _LABEL),
    re.compile(rb"(?i)<\?xml[^<>]{0,200}?encoding" + _LABEL),
)
_COMMENT: Final = re.compile(rb"<!--.*?-->", re.DOTALL)
# These ends are seen without a begin, too. Most have one, just before them, and in some elements nothing is an end.
_LONE_END: Final = re.compile(r"(?is)<(textarea|xmp)\b.*?(?:</\1|\Z)|<p>[^<]*</p>|</(?:br|p)(?=[\s/>])")
_PIECE: Final = re.compile(r"(?s).{1,500000}[^<]*")  # what is replaced in a larger one takes many times its size
_SKIPPED_TAGS: Final = (
    "script style template title datalist noscript noembed noframes svg math iframe object canvas audio video rt rp"
)
# The Standard ends a drawing or a formula that nothing ends where one of these begins, but for where HTML may stand.
_BREAKING_OUT: Final = (
    *("b", "big", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em", "embed", "h1", "h2"),
    *("h3", "h4", "h5", "h6", "head", "hr", "i", "img", "li", "listing", "menu", "meta", "nobr", "ol", "p", "pre"),
    *("ruby", "s", "small", "span", "strike", "strong", "sub", "sup", "table", "tt", "u", "ul", "var"),
)
_HOLDING_HTML: Final = {"svg": ("foreignobject", "desc", "title"), "math": ("mi", "mo", "mn", "ms", "mtext")}
_BLOCK_TAGS: Final = (
    "address article aside blockquote body center details dialog dir div dl fieldset figure footer form "
    "h1 h2 h3 h4 h5 h6 head header hgroup hr listing main menu nav ol p plaintext pre search section table ul xmp"
)
_LINE_TAGS: Final = "li dt dd tr option optgroup figcaption caption legend summary"
_SKIPPED: Final = frozenset(_SKIPPED_TAGS.split())
_BORDERS: Final = {
    **dict.fromkeys(_BLOCK_TAGS.split(), BLOCK),
    **dict.fromkeys(_LINE_TAGS.split(), LINE),
    **dict.fromkeys(("td", "th"), CELL),
}


def read_html(data: bytes) -> Reading:
    """The encoding comes from the byte order mark or the first known one that is declared in the first 4 KB, else it is
    guessed.

    The title is `<title>`, else the first `<h1>`.
    """
    begin = _COMMENT.sub(b"", data[:4096])
    labels = (label.decode("ascii") for pattern in _DECLARED for label in pattern.findall(begin))
    read = decode(data, declared=next(filter(webencodings.lookup, labels), None))
    titles, text = read_markup([read.text], ("title", "h1"))
    return read._replace(title=titles.get("title") or titles.get("h1"), text=text)


def read_markup(sources: Iterable[str], titles: Collection[str]) -> tuple[dict[str, str], str]:
    """The first words that stand in each of the elements `titles`, by their names, first ones first; and the text.

    The page may come in pieces. Block elements are paragraphs, list items and table rows lines, table cells
    tab-separated.
    """
    page = _Page(titles)
    parser = etree.HTMLParser(target=page, encoding="utf-8", huge_tree=True)
    parser.feed(b"")  # one that was given nothing cannot be closed
    for piece in chain.from_iterable(map(_PIECE.finditer, sources)):
        seen = _LONE_END.sub(lambda end: f"<br>{end[0]}" if end[0].startswith("</") else end[0], piece[0])
        parser.feed(seen.encode("utf-8", "replace"))
    parser.close()
    return page.titles, page.layout.text()


class _Page:
    """What the parser tells of the elements of a page, each of which it also ends."""

    def __init__(self, titles: Collection[str]) -> None:
        self.titles: dict[str, str] = {}
        self.layout = Layout()
        self._titles = titles
        self._title: tuple[str, list[str]] | None = None
        self._skipped: list[str] = []  # what is open of them, from the outermost
        self._kept = self._items = 0
        self._item_begins = False  # at the first element in an item
        self._paragraph = BLOCK

    def start(self, tag: str, _attributes: object) -> None:
        while self._skipped and self._skipped[-1] in _HOLDING_HTML and tag in _BREAKING_OUT:
            self._skipped.pop()
        if tag in self._titles and not self._skipped:
            self._title = tag, []
        if tag in _SKIPPED or (self._skipped and tag in _HOLDING_HTML.get(self._skipped[-1], ())):
            self._skipped.append(tag)
        if self._skipped:
            return
        if tag == "br":
            self.layout.line_break()
        if tag == "p":
            self._paragraph = LINE if self._item_begins else BLOCK
        self._border(tag)
        self._item_begins = tag == "li"
        self._items += tag == "li"
        self._kept += tag == "pre"

    def end(self, tag: str) -> None:
        if self._title and self._title[0] == tag:
            if words := "".join(self._title[1]).strip():
                self.titles.setdefault(tag, words)
            self._title = None
        if self._skipped and self._skipped[-1] == tag:
            self._skipped.pop()
        elif not self._skipped:
            self._items -= tag == "li"
            self._kept -= tag == "pre"
            self._border(tag)

    def data(self, text: str) -> None:
        if self._title:
            self._title[1].append(text)
        if not self._skipped:
            self.layout.write(text, as_it_is=self._kept > 0)

    def close(self) -> None:
        pass

    def _border(self, tag: str) -> None:
        """A list within an item, and the paragraph with which an item begins, are no blocks of their own."""
        if border := _BORDERS.get(tag):
            if tag == "p":
                border = self._paragraph
            elif self._items and tag in ("ul", "ol"):
                border = LINE
            self.layout.border(border)
