"""DOCX to readable text."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any, Final

import docx
from docx.document import Document
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph

from background.documents.formats import Reading
from background.documents.naming import FILE
from background.errors import Invalid

MAX_INFLATED: Final = 200 * 1000 * 1000  # bytes, pictures included
MAX_XML: Final = 60 * 1000 * 1000  # bytes of XML; a tree takes several times as much memory
MAX_PARTS: Final = 10_000
_CHUNK: Final = 64 * 1024
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what an encrypted DOCX or an old DOC begins with
_PLACEHOLDER_TITLE: Final = "Word Document"  # python-docx invents it for a file without properties

_P, _TBL, _TR, _TC, _R = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc"), qn("w:r")
_WRAPPERS: Final = frozenset(
    qn(tag) for tag in ("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo", "w:smartTag")
)
_SPACING: Final = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_T: Final = qn("w:t")
# What a program that knows no text boxes would show; the same words stand in the choice beside it.
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def read_docx(data: bytes) -> Reading:
    """Paragraphs and tables in order, also those in content controls and tracked insertions.

    A table row is one line, its cells tab-separated. The title is that of the properties, else the first
    heading. Entities are never expanded (python-docx parses with `resolve_entities=False`) and a document
    type declaration, which OOXML does not allow, is refused.
    """
    if data.startswith(_OLE):
        raise Invalid("The file is encrypted or an old DOC, not a DOCX document.", where=FILE)
    document = docx.Document(_repacked(data))
    text = "\n\n".join(_blocks(document.element.body))
    return Reading(_property_title(document) or _first_heading(document), text)


def _repacked(data: bytes) -> io.BytesIO:
    """The package again, uncompressed, from bytes that were counted while they were inflated.

    A size in a ZIP header may lie, and python-docx inflates each part at once: it gets to see only this.
    """
    target = io.BytesIO()
    total = xml = 0
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as copy:
        for part in _parts(source):
            is_xml = part.filename.lower().endswith((".xml", ".rels"))
            with source.open(part) as stream, copy.open(part.filename, "w", force_zip64=True) as out:
                first = True
                while chunk := stream.read(_CHUNK):
                    total += len(chunk)
                    xml += len(chunk) if is_xml else 0
                    if total > MAX_INFLATED or xml > MAX_XML:
                        raise Invalid("The DOCX document is too large when inflated.", where=FILE)
                    if is_xml and first and b"<!DOCTYPE" in chunk:
                        raise Invalid("The DOCX document declares a document type.", where=FILE)
                    first = False
                    out.write(chunk)
    target.seek(0)
    return target


def _parts(source: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    parts = source.infolist()
    if len(parts) > MAX_PARTS:
        raise Invalid(f"The DOCX document has more than {MAX_PARTS:,} parts.", where=FILE)
    for part in parts:
        if part.flag_bits & 1:
            raise Invalid("The DOCX document is encrypted.", where=FILE)
        # `zipfile` inflates other methods without bound.
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Invalid("The DOCX document is compressed in a way that OOXML does not know.", where=FILE)
    return parts


def _blocks(parent: Any) -> Iterator[str]:
    """The text of each paragraph and table below `parent`, in order.

    Own steps instead of `iter_inner_content()`, which leaves out content controls, and `row.cells`, which
    makes as many cells as a forged `gridSpan` asks for.
    """
    for child in parent:
        if child.tag == _P:
            yield _paragraph(child)
        elif child.tag == _TBL:
            yield "\n".join(_row(row) for row in _within(child, _TR))
        elif child.tag in _WRAPPERS:
            yield from _blocks(child)


def _row(row: Any) -> str:
    return "\t".join(" ".join(" ".join(_blocks(cell)).split()) for cell in _within(row, _TC))


def _within(parent: Any, tag: str) -> Iterator[Any]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _within(child, tag)


def _paragraph(paragraph: Any) -> str:
    doubled = {node for box in paragraph.iter(_FALLBACK) for node in box.iter(_T, *_SPACING)}
    # A `w:tab` outside a run is a tab stop.
    nodes = (node for node in paragraph.iter(_T, *_SPACING) if node.getparent().tag == _R)
    return "".join(_SPACING.get(node.tag) or node.text or "" for node in nodes if node not in doubled)


def _property_title(document: Document) -> str | None:
    title = document.core_properties.title.strip()
    return title if title and title != _PLACEHOLDER_TITLE else None


def _first_heading(document: Document) -> str | None:
    """The first paragraph in a style named Title or Heading; styles have ids of any language."""
    for element in document.element.body.iter(_P):
        if element.pPr is not None and element.pPr.style is not None:
            paragraph = Paragraph(element, document)
            name = paragraph.style.name if paragraph.style is not None else None
            if name and name.startswith(("Title", "Heading")) and (text := _paragraph(element).strip()):
                return text
    return None
