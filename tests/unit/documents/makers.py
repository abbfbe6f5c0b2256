"""Small files of each kind, and damaged ones."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import docx

from background.base.errors import Invalid

FILES = Path(__file__).parent / "files"
"""Small files, each made for one thing that readers get wrong; `.want` beside one is the text that is right."""


def refused_field(error: Invalid) -> tuple[str | int, ...]:
    """The path of the one field that `error` names."""
    (field,) = error.errors
    return field.loc


def pdf(text: str = "Hello queue.", *, pages: int = 1) -> bytes:
    """A PDF that says `text` on each page."""
    content = zlib.compress(f"BT /F1 12 Tf 40 700 Td ({text}) Tj ET".encode())
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b"3 0 R " * pages),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def titled_pdf(title: str) -> bytes:
    """A PDF with a title in its metadata."""
    info = b"<</Title<%s>>>" % ("\ufeff" + title).encode("utf-16-be").hex().encode()
    return grown_pdf(pdf(), info).replace(b"trailer<<", b"trailer<</Info 6 0 R")


def grown_pdf(made: bytes, *bodies: bytes) -> bytes:
    """The PDF with more objects, from number 6 on."""
    more = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, body) for number, body in enumerate(bodies, start=6))
    return made.replace(b"xref\n0 6", more + b"xref\n0 6").replace(b"/Size 6", b"/Size %d" % (6 + len(bodies)))


def encrypted_pdf() -> bytes:
    """A PDF that opens with a password alone."""
    return (FILES / "aes256-locked.pdf").read_bytes()


def word(*paragraphs: str, title: str = "", heading: str = "") -> bytes:
    """A DOCX of a heading, the paragraphs, and a table of two rows."""
    document = docx.Document()
    document.core_properties.title = title
    if heading:
        document.add_heading(heading, 1)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    table = document.add_table(rows=2, cols=2)
    for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"cell {number}"
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def edited_word(edit: Callable[[bytes], bytes]) -> bytes:
    """A DOCX whose main part went through `edit`."""
    return repacked_word(lambda name, content: edit(content) if name == "word/document.xml" else content)


def repacked_word(edit: Callable[[str, bytes], bytes], more: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """A DOCX each part of which went through `edit`, with `more` parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word("Hello"))) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for part in source.infolist():
            copy.writestr(part.filename, edit(part.filename, source.read(part)))
        for name, content in more.items():
            copy.writestr(name, content)
    return out.getvalue()


def mapped_pdf(text: bytes, encoding: str) -> bytes:
    """A PDF that says `text` in a font with one of the predefined maps of East Asia, or in `Identity-H`."""
    order = {"KSC": b"Korea1", "90m": b"Japan1", "GBK": b"GB1", "ETe": b"CNS1", "Ide": b"Identity"}[encoding[:3]]
    font = b"""<</Type/Font/Subtype/Type0/BaseFont/F/Encoding/%s/DescendantFonts[<</Type/Font/Subtype/CIDFontType0
        /BaseFont/F/CIDSystemInfo<</Registry(Adobe)/Ordering(%s)/Supplement 0>>/FontDescriptor<</Type/FontDescriptor
        /FontName/F/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 900/Descent 0/CapHeight 900/StemV 80>>>>]>>"""
    made = pdf(f") Tj <{text.hex()}> Tj (")
    return made.replace(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>", font % (encoding.encode(), order))


def other_zip() -> bytes:
    """A ZIP that is no DOCX."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return out.getvalue()
