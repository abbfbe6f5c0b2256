"""HTML to readable text."""

import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from background.documents.characters import word_set
from background.documents.encoding import decode
from background.documents.formats import Reading

_CHARSET: Final = re.compile(rb"(?i)<meta[^<>]{0,500}?charset\s*=\s*[\"']?\s*([a-z0-9_:.-]{1,40})")
_SPACES: Final = re.compile(r"\s+")
_SKIPPED: Final = word_set("head script style template noscript svg math iframe object canvas")
_LINES: Final = word_set("br li dt dd tr option figcaption caption summary")
_BLOCKS: Final = word_set(
    """
    address article aside blockquote body center details div dl fieldset figure footer form h1 h2 h3 h4 h5 h6
    header hr main nav ol p pre section table ul
    """
)


def read_html(data: bytes) -> Reading:
    """The encoding comes from the byte order mark or a `<meta>` in the first 4 KB, else it is guessed.

    Block elements are paragraphs, list items and table rows lines, table cells tab-separated. The title is
    `<title>`, else the first `<h1>`.
    """
    declared = _CHARSET.search(data[:4096])
    source = decode(data, declared=declared[1].decode("ascii") if declared else None)
    tree = LexborHTMLParser(source.encode("utf-8", "replace"))
    return Reading(_title(tree), _text(tree.root) if tree.root is not None else "")


def _title(tree: LexborHTMLParser) -> str | None:
    for selector in ("title", "h1"):
        node = tree.css_first(selector)
        if node is not None and (title := node.text(deep=True).strip()):
            return title
    return None


def _text(root: LexborNode) -> str:
    """A walk by hand: recursion would overflow, and `traverse()` does not tell where blocks end."""
    writer = _Writer()
    opened: list[LexborNode] = []
    node: LexborNode | None = root
    while node is not None or opened:
        if node is None:
            ended = opened.pop()
            writer.leave(ended)
            node = ended.next if opened else None
        elif writer.enter(node):
            opened.append(node)
            node = node.child
        else:
            node = node.next
    return writer.text()


class _Writer:
    def __init__(self) -> None:
        self._parts: list[str] = ["\n"]
        self._preformatted = 0

    def enter(self, node: LexborNode) -> bool:
        """Note that `node` begins; whether what is in it is to be read, and `leave` called after that."""
        tag = node.tag or ""
        if node.is_text_node:
            self._words(node.text_content or "")
            return False
        if tag in _SKIPPED:
            return False
        self._border(tag)
        self._preformatted += tag == "pre"
        if tag in ("td", "th") and not self._parts[-1].endswith(("\n", "\t")):
            self._parts.append("\t")
        return True

    def leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        self._preformatted -= tag == "pre"
        if tag != "br":
            self._border(tag)

    def text(self) -> str:
        return "".join(self._parts)

    def _border(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._parts.append("\n\n")
        elif tag in _LINES and (tag == "br" or not self._parts[-1].endswith("\n")):
            self._parts.append("\n")

    def _words(self, text: str) -> None:
        if not self._preformatted:
            text = _SPACES.sub(" ", text)
            if self._parts[-1].endswith(("\n", "\t", " ")):
                text = text.lstrip(" ")
        if text:
            self._parts.append(text)
