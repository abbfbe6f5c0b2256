"""DOCX to readable text."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

import docx
from docx.oxml.ns import qn
from lxml import etree

from background.base.errors import Invalid
from background.documents.extraction import Reading
from background.documents.extraction.layout import BLOCK, CELL, LINE, SPACE, Layout
from background.documents.naming import FILE

MAX_INFLATED: Final = 200 * 1000 * 1000  # bytes, pictures included
MAX_XML: Final = 60 * 1000 * 1000  # bytes of XML; a tree takes several times as much memory
MAX_PARTS: Final = 10_000
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what an encrypted DOCX or an old DOC begins with
_PLACEHOLDER_TITLE: Final = "Word Document"  # python-docx invents it for a file without properties
_STRICT: Final = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL: Final = rb"http://schemas.openxmlformats.org/\1/2006/"
_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"

_P, _TC, _SYM, _FRAME = qn("w:p"), qn("w:tc"), qn("w:sym"), qn("w:framePr")
_TEXTS: Final = (qn("w:t"), f"{_MATH}t")
_SKIPPED: Final = frozenset(map(qn, ("w:del", "w:moveFrom", "w:rt", "w:sectPr", "w:tabs")))
_BORDERS: Final = {_P: BLOCK, qn("w:tbl"): BLOCK, qn("w:tr"): LINE, _TC: CELL}
_BREAKS: Final = (qn("w:br"), qn("w:cr"))
_SIGNS: Final = {
    qn("w:tab"): "\t",
    qn("w:ptab"): "\t",
    qn("w:noBreakHyphen"): "-",
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

    The title is that of the properties, else the first heading. Entities are never expanded, and a document type
    declaration, which OOXML does not allow, is refused.
    """
    if data.startswith(_OLE):
        raise Invalid("The file is encrypted or an old DOC, not a DOCX document.", where=FILE)
    document = docx.Document(io.BytesIO(_transitional(data)))
    bodies = [document.element, *_notes(document)]
    if any(body.getroottree().docinfo.doctype for body in bodies):
        raise Invalid("The DOCX document declares a document type.", where=FILE)
    title = document.core_properties.title.strip()
    layout = Layout()
    for body in bodies:
        _lay_out(body, layout)
    return Reading(title if title not in ("", _PLACEHOLDER_TITLE) else _first_heading(document), layout.text())


def _transitional(data: bytes) -> bytes:
    """A package that is not too large, in the namespaces that everybody writes but Word's "strict" documents."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        parts = source.infolist()
        xml = [part for part in parts if part.filename.lower().endswith((".xml", ".rels"))]
        if any(part.flag_bits & 1 for part in parts):
            raise Invalid("The DOCX document is encrypted.", where=FILE)
        # What lies about its size meets the limits of the process.
        sizes = sum(part.file_size for part in parts), sum(part.file_size for part in xml), len(parts)
        if any(size > most for size, most in zip(sizes, (MAX_INFLATED, MAX_XML, MAX_PARTS), strict=True)):
            raise Invalid("The DOCX document is too large when inflated.", where=FILE)
        if not _STRICT.search(source.read("_rels/.rels")):
            return data
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as copy:
            for part in parts:
                content = source.read(part)
                copy.writestr(part.filename, _STRICT.sub(_TRANSITIONAL, content) if part in xml else content)
        return target.getvalue()


def _notes(document: Any) -> Iterator[Any]:
    """Footnotes, then endnotes, without the lines that separate them from the text."""
    parser = etree.XMLParser(resolve_entities=False)
    for kind in ("/footnotes", "/endnotes"):
        for relation in document.part.rels.values():
            if relation.reltype.endswith(kind) and not relation.is_external:
                notes = etree.fromstring(relation.target_part.blob, parser)
                for separator in notes.xpath("*[@*[local-name()='type' and contains(., 'eparator')]]"):
                    notes.remove(separator)
                yield notes


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
            is_drop_cap = node.get(qn("w:dropCap"), "none") != "none"
        elif tag == _P and is_drop_cap:
            is_drop_cap = not starts
        elif tag in _BORDERS:
            cells += (starts - (not starts)) * (tag == _TC)
            layout.border(SPACE if cells and tag == _P else _BORDERS[tag])
        elif starts and tag in (*_TEXTS, _SYM):
            layout.write(_symbol(node) if tag == _SYM else node.text or "")
        elif starts and tag in _BREAKS:
            layout.line_break()
        elif starts and tag in _SIGNS:
            layout.write(_SIGNS[tag], as_it_is=True)
        elif tag == f"{_MATH}d":
            layout.write(")")


def _has_text(elements: Iterable[Any]) -> bool:
    return any(True for element in elements for _ in element.iter(*_TEXTS))


def _symbol(node: Any) -> str:
    code = int(node.get(qn("w:char"), "0"), 16) & 0xFF
    known = node.get(qn("w:font")) == "Symbol" and 0x20 <= code < 0x20 + len(_SYMBOLS)
    return _SYMBOLS[code - 0x20] if known else "\ufffd"


def _first_heading(document: Any) -> str | None:
    """The first paragraph in a style named Title or Heading; styles have ids of any language."""
    names = {style.styleId: (style.name_val or "").lower() for style in document.styles.element.style_lst}
    for paragraph in document.element.body.iter(_P):
        style = paragraph.pPr.style if paragraph.pPr is not None else None
        if names.get(style, "").startswith(("title", "heading")):
            layout = Layout()
            _lay_out(paragraph, layout)
            if text := layout.text().strip():
                return text
    return None
