"""DOCX to readable text."""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from lxml import etree

from background.base.errors import Invalid
from background.documents.extraction import Reading
from background.documents.extraction.layout import BLOCK, CELL, LINE, SPACE, Layout
from background.documents.naming import FILE

MAX_INFLATED: Final = 200 * 1000 * 1000  # bytes, pictures included
MAX_XML: Final = 60 * 1000 * 1000  # bytes of XML; a tree takes several times as much memory
MAX_PARTS: Final = 10_000
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what an encrypted DOCX or an old DOC begins with
# Word's "strict" documents have namespaces of their own for the same elements.
_STRICT: Final = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL: Final = rb"http://schemas.openxmlformats.org/\1/2006/"
_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"

_P, _TC, _SYM, _FRAME = (_WORD + name for name in ("p", "tc", "sym", "framePr"))
_TEXTS: Final = (f"{_WORD}t", f"{_MATH}t")
_SKIPPED: Final = frozenset(_WORD + name for name in ("del", "moveFrom", "rt", "sectPr", "tabs"))
_PIECE: Final = 64 * 1024  # characters; what is collapsed at once takes ten times as much
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
    f"{_MATH}d": "(",
}
# The font Symbol, from 0x20 on; what is no character (U+FFFD) is shown as that.
_SYMBOLS: Final = (
    "\xa0!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_\u203eαβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"  # noqa: RUF001
    + "\ufffd" * 33
    + "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑"  # noqa: RUF001
)


def read_docx(data: bytes) -> Reading:
    """Paragraphs, tables and text boxes in order, then footnotes and endnotes; what was deleted or moved away is not
    read, nor what only says how something is pronounced.

    The title is that of the properties, else the first heading. Only parts with words are read, so that neither
    pictures nor what kind of document it is (a template, one with macros) matter. Entities are never expanded, and a
    document type declaration, which OOXML does not allow, is refused.
    """
    if data.startswith(_OLE):
        message = "The file is encrypted or an old DOC, not a DOCX document."
        raise Invalid(message, where=FILE, code="document_encrypted", why="or_old")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        package = _Package(file)
        (main,) = package.related("", "officeDocument")
        body = package.parse(main)
        properties = map(package.parse, package.related("", "core-properties"))
        titles = (found.findtext("{http://purl.org/dc/elements/1.1/}title", "").strip() for found in properties)
        styles = map(package.parse, package.related(main, "styles"))
        title = next(filter(None, titles), None) or _first_heading(body, styles)
        layout = Layout()
        _lay_out(body, layout)
        for kind in ("footnotes", "endnotes"):
            for notes in map(package.parse, package.related(main, kind)):
                # Without the lines that separate them from the text.
                for separator in notes.xpath("*[@*[local-name()='type' and contains(., 'eparator')]]"):
                    notes.remove(separator)
                _lay_out(notes, layout)
    return Reading(title, layout.text())


class _Package:
    """The parts of a DOCX, by names without a slash at their begin, and in any case."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        """Raises `Invalid` where it is encrypted or too large; what lies about its size meets the process's limits."""
        parts = file.infolist()
        xml = [part for part in parts if part.filename.lower().endswith((".xml", ".rels"))]
        if any(part.flag_bits & 1 for part in parts):
            raise Invalid("The DOCX document is encrypted.", where=FILE, code="document_encrypted")
        sizes = sum(part.file_size for part in parts), sum(part.file_size for part in xml), len(parts)
        if any(size > most for size, most in zip(sizes, (MAX_INFLATED, MAX_XML, MAX_PARTS), strict=True)):
            raise Invalid("The DOCX document is too large when inflated.", where=FILE, code="document_too_much")
        self._file = file
        self._parts = {part.filename.replace("\\", "/").lstrip("/").casefold(): part for part in parts}

    def parse(self, part: str) -> Any:
        """The root of a part that has to be there."""
        content = _STRICT.sub(_TRANSITIONAL, self._file.read(self._parts[part.casefold()]))
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, remove_blank_text=True))
        if root.getroottree().docinfo.doctype:
            raise Invalid("The DOCX document declares a document type.", where=FILE, code="document_unreadable")
        return root

    def related(self, part: str, kind: str) -> Iterator[str]:
        """What `part` (the package itself, where it is empty) says is its `kind`."""
        folder, name = posixpath.split(part)
        relations = f"{folder}/_rels/{name}.rels".lstrip("/")
        for relation in self.parse(relations) if relations.casefold() in self._parts else ():
            if relation.get("Type", "").endswith(f"/{kind}") and relation.get("TargetMode") != "External":
                yield posixpath.normpath(posixpath.join("/", folder, relation.get("Target"))).lstrip("/")


def _lay_out(element: Any, layout: Layout) -> None:
    """Write the text of `element`; a paragraph in a cell is set off by a space, a drop cap from its word by nothing."""
    cells = 0
    is_drop_cap = False
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, node in walk:
        tag, starts = node.tag, event == "start"
        if starts and (tag in _SKIPPED or (tag == _FALLBACK and _has_text(node.itersiblings(preceding=True)))):
            walk.skip_subtree()
        elif tag == _FRAME:
            is_drop_cap = node.get(f"{_WORD}dropCap", "none") != "none"
        elif tag == _P and is_drop_cap:
            is_drop_cap = not starts
        elif tag in _BORDERS:
            cells += (starts - (not starts)) * (tag == _TC)
            layout.border(SPACE if cells and tag == _P else _BORDERS[tag])
        elif starts and tag in (*_TEXTS, _SYM):
            _write(_symbol(node) if tag == _SYM else node.text or "", layout)
        elif starts and tag in _BREAKS:
            layout.line_break()
        elif starts and tag in _SIGNS:
            layout.write(_SIGNS[tag], as_it_is=True)
        elif tag == f"{_MATH}d":
            layout.write(")")


def _write(words: str, layout: Layout) -> None:
    for at in range(0, len(words), _PIECE):
        layout.write(words[at : at + _PIECE])


def _has_text(elements: Iterable[Any]) -> bool:
    return any(True for element in elements for _ in element.iter(*_TEXTS))


def _symbol(node: Any) -> str:
    code = int(node.get(f"{_WORD}char", "0"), 16) & 0xFF
    known = node.get(f"{_WORD}font") == "Symbol" and 0x20 <= code < 0x20 + len(_SYMBOLS)
    return _SYMBOLS[code - 0x20] if known else "\ufffd"


def _first_heading(body: Any, styles: Iterable[Any]) -> str | None:
    """The first paragraph in a style named Title or Heading; styles have ids of any language."""
    headings = {
        style.get(f"{_WORD}styleId")
        for each in styles
        for style in each.iter(f"{_WORD}style")
        if style.xpath("string(*[local-name()='name']/@*)").lower().startswith(("title", "heading"))
    }
    for paragraph in body.iter(_P):
        style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
        if style is not None and style.get(f"{_WORD}val") in headings:
            layout = Layout()
            _lay_out(paragraph, layout)
            if text := layout.text().strip():
                return text
    return None
