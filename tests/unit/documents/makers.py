"""Small files of each kind, and damaged ones."""

import io
import zipfile
import zlib
from collections.abc import Callable

import docx
from pypdf import PdfReader, PdfWriter

from background.errors import Invalid


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
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf())))
    writer.add_metadata({"/Title": title})
    return _written(writer)


def encrypted_pdf(password: str) -> bytes:
    """A PDF that opens with `password`."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf())))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    return _written(writer)


def _written(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


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
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word("Hello"))) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for part in source.infolist():
            content = source.read(part)
            copy.writestr(part.filename, edit(content) if part.filename == "word/document.xml" else content)
    return out.getvalue()


def other_zip() -> bytes:
    """A ZIP that is no DOCX."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return out.getvalue()
