"""DOCX to readable text."""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Set
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from lxml import etree

from background.documents.extraction import Reading
from background.documents.extraction.layout import BLOCK, CELL, LINE, SPACE, Layout
from background.documents.naming import refused

MAX_INFLATED: Final = 200 * 1000 * 1000  # bytes, pictures included
MAX_XML: Final = 60 * 1000 * 1000  # bytes of XML; each element takes time
MAX_PARTS: Final = 10_000
MAX_DEPTH: Final = 256  # elements in one another; libxml2's own limit holds for trees alone
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what an encrypted DOCX or an old DOC begins with
# Word's "strict" documents have namespaces of their own for the same elements.
_STRICT: Final = re.compile(r"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL: Final = r"http://schemas.openxmlformats.org/\1/2006/"
_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"

_P, _TC, _SYM, _FRAME, _STYLE = (_WORD + name for name in ("p", "tc", "sym", "framePr", "pStyle"))
_DELIMITED: Final = f"{_MATH}d"
_TEXTS: Final = (f"{_WORD}t", f"{_MATH}t")
_SKIPPED: Final = frozenset(_WORD + name for name in ("del", "moveFrom", "pPrChange", "rt", "sectPr", "tabs"))
_PIECE: Final = 64 * 1024  # bytes of XML that are read at once
_BORDERS: Final = {_P: BLOCK, f"{_WORD}tbl": BLOCK, f"{_WORD}tr": LINE, _TC: CELL}
_BREAKS: Final = (f"{_WORD}br", f"{_WORD}cr")
_SIGNS: Final = {
    f"{_WORD}tab": "\t",
    f"{_WORD}ptab": "\t",
    f"{_WORD}noBreakHyphen": "-",
    f"{_MATH}den": "/",
    f"{_MATH}sup": "^",
    f"{_MATH}sub": "_",
    f"{_MATH}rad": "\u221a",
    _DELIMITED: "(",
}
# The font Symbol, from 0x20 on; what is no character (U+FFFD) is shown as that.
_SYMBOLS: Final = (
    "\xa0!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_\u203eαβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"  # noqa: RUF001
    + "\ufffd" * 33
    + "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑"  # noqa: RUF001
)

_Events = Iterator[tuple[str, str, Any]]  # what it is, the tag, and the attributes or the text
_START, _END, _TEXT = "start", "end", "text"


def read_docx(data: bytes) -> Reading:
    """Paragraphs, tables and text boxes in order, then footnotes and endnotes; what was deleted or moved away is not
    read, nor what only says how something is pronounced.

    The title is that of the properties, else the first heading. Only parts with words are read, so that neither
    pictures nor what kind of document it is (a template, one with macros) matter. Entities are never expanded, and a
    document type declaration, which OOXML does not allow, is refused.
    """
    if data.startswith(_OLE):
        message = "The file is encrypted or an old DOC, not a DOCX document."
        raise refused(message, code="document_encrypted", why="or_old")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        package = _Package(file)
        (main,) = package.related("", "officeDocument")
        properties = map(package.events, package.related("", "core-properties"))
        title = next(filter(None, map(_title, properties)), None)
        styles = map(package.events, package.related(main, "styles"))
        headings = frozenset() if title else frozenset(chain.from_iterable(map(_headings, styles)))
        layout = Layout()
        body = _Words(layout, headings)
        body.read(package.events(main))
        for kind in ("footnotes", "endnotes"):
            for notes in package.related(main, kind):
                _Words(layout).read(package.events(notes))
    return Reading(title or body.heading, layout.text())


class _Package:
    """The parts of a DOCX, by names without a slash at their begin, and in any case."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        """Raises `Invalid` where it is encrypted or too large; what lies about its size meets the process's limits."""
        parts = file.infolist()
        xml = [part for part in parts if part.filename.lower().endswith((".xml", ".rels"))]
        if any(part.flag_bits & 1 for part in parts):
            raise refused("The DOCX document is encrypted.", code="document_encrypted")
        sizes = sum(part.file_size for part in parts), sum(part.file_size for part in xml), len(parts)
        if any(size > most for size, most in zip(sizes, (MAX_INFLATED, MAX_XML, MAX_PARTS), strict=True)):
            raise refused("The DOCX document is too large when inflated.", code="document_too_much")
        self._file = file
        self._parts = {part.filename.replace("\\", "/").lstrip("/").casefold(): part for part in parts}

    def events(self, part: str) -> _Events:
        """Those of a part that has to be there; a little of it is held at a time."""
        target = _Target()
        parser = etree.XMLParser(target=target, resolve_entities=False)
        with self._file.open(self._parts[part.casefold()]) as content:
            while piece := content.read(_PIECE):
                parser.feed(piece)
                yield from target.take()
        parser.close()

    def related(self, part: str, kind: str) -> Iterator[str]:
        """What `part` (the package itself, where it is empty) says is its `kind`."""
        folder, name = posixpath.split(part)
        relations = f"{folder}/_rels/{name}.rels".lstrip("/")
        for event, _, value in self.events(relations) if relations.casefold() in self._parts else ():
            if event == _START and value.get("Type", "").endswith(f"/{kind}") and value.get("TargetMode") != "External":
                yield posixpath.normpath(posixpath.join("/", folder, value.get("Target"))).lstrip("/")


class _Target:
    """What the parser tells: the begins of elements with their attributes, their ends, and the text between."""

    def __init__(self) -> None:
        self._events: list[tuple[str, str, Any]] = []
        self._text: list[str] = []
        self._depth = 0

    def start(self, tag: str, attributes: Any) -> None:
        self._end_text()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = "The elements of the DOCX document are nested too deeply."
            raise refused(message, code="document_unreadable")
        self._events.append((_START, _transitional(tag), attributes))

    def end(self, tag: str) -> None:
        self._end_text()
        self._depth -= 1
        self._events.append((_END, _transitional(tag), None))

    def data(self, text: str) -> None:
        self._text.append(text)

    def doctype(self, *_: object) -> None:
        raise refused("The DOCX document declares a document type.", code="document_unreadable")

    def close(self) -> None:
        pass

    def take(self) -> list[tuple[str, str, Any]]:
        """The events since this was last called."""
        self._end_text()
        events, self._events = self._events, []
        return events

    def _end_text(self) -> None:
        if self._text:
            self._events.append((_TEXT, "", "".join(self._text)))
            self._text.clear()


@lru_cache(256)
def _transitional(tag: str) -> str:
    return _STRICT.sub(_TRANSITIONAL, tag)


def _attribute(attributes: Any, name: str) -> str:
    """The one with that local name, of whatever namespace."""
    return next((value for key, value in attributes.items() if key.rpartition("}")[2] == name), "")


class _Words:
    """What lays out the text of a part. A paragraph in a cell is set off by a space, a drop cap from its word by
    nothing."""

    def __init__(self, layout: Layout, headings: Set[str] = frozenset()) -> None:
        self.heading: str | None = None  # the first paragraph with words in one of the styles `headings`
        self._layout = layout
        self._headings = headings
        self._parents: list[int] = []  # how many texts there were before what is open
        self._texts = self._cells = 0
        self._skipped = 0  # how much is open of what is not read
        self._copied = 0  # how deep the paragraph is that may be the heading
        self._is_text = self._is_drop_cap = False

    def read(self, events: _Events) -> None:
        for event, tag, value in events:
            if event == _START:
                self._start(tag, value)
            elif event == _END:
                self._end(tag)
            elif self._is_text and not self._skipped:
                self._layout.write(value)

    def _start(self, tag: str, attributes: Any) -> None:
        if self._skipped or self._skips(tag, attributes):
            self._skipped += 1
        elif tag in _BORDERS:
            self._cells += tag == _TC
            self._border(tag)
            self._is_drop_cap &= tag != _P
        elif tag == _FRAME:
            self._is_drop_cap = _attribute(attributes, "dropCap") not in ("", "none")
        elif tag == _STYLE:
            self._copy(_attribute(attributes, "val"))
        elif tag == _SYM:
            self._layout.write(_symbol(attributes))
        elif tag in _BREAKS:
            self._layout.line_break()
        elif tag in _SIGNS:
            self._layout.write(_SIGNS[tag], as_it_is=True)
        self._is_text = tag in _TEXTS
        self._parents.append(self._texts)
        self._texts += self._is_text

    def _end(self, tag: str) -> None:
        self._parents.pop()
        self._is_text = False
        if self._skipped:
            self._skipped -= 1
        elif tag in _BORDERS:
            self._cells -= tag == _TC
            self._border(tag)
        elif tag == _DELIMITED:
            self._layout.write(")")
        if self._layout.copy is not None and len(self._parents) == self._copied:
            self.heading = "".join(self._layout.copy).strip() or None
            self._layout.copy = None

    def _skips(self, tag: str, attributes: Any) -> bool:
        if tag == _FALLBACK:  # of something that has words
            return bool(self._parents) and self._texts > self._parents[-1]
        if len(self._parents) == 1:  # of notes, the lines that separate them from the text
            return "eparator" in _attribute(attributes, "type")
        return tag in _SKIPPED

    def _border(self, tag: str) -> None:
        if tag != _P or not self._is_drop_cap:
            self._layout.border(SPACE if self._cells and tag == _P else _BORDERS[tag])

    def _copy(self, style: str) -> None:
        """What follows may be the heading; its style stands in the properties of a paragraph."""
        if style in self._headings and not self.heading and self._layout.copy is None:
            self._layout.copy = []
            self._copied = len(self._parents) - 2


def _symbol(attributes: Any) -> str:
    code = int(_attribute(attributes, "char") or "0", 16) & 0xFF
    known = _attribute(attributes, "font") == "Symbol" and 0x20 <= code < 0x20 + len(_SYMBOLS)
    return _SYMBOLS[code - 0x20] if known else "\ufffd"


def _title(properties: _Events) -> str:
    """The first that has words, or nothing."""
    title = ""
    is_title = False
    for event, tag, value in properties:
        if event == _TEXT:
            title += value if is_title else ""
        elif title.strip():
            break
        else:
            is_title = event == _START and tag == "{http://purl.org/dc/elements/1.1/}title"
    return title.strip()


def _headings(styles: _Events) -> Iterator[str]:
    """The ids of those that are named Title or Heading; an id is in any language."""
    style = ""
    for event, tag, value in styles:
        if event == _START and tag == f"{_WORD}style":
            style = _attribute(value, "styleId")
        is_name = event == _START and tag == f"{_WORD}name"
        if is_name and _attribute(value, "val").lower().startswith(("title", "heading")):
            yield style
