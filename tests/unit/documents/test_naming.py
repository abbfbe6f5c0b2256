"""What may be the name of a document."""

import unicodedata

import pytest

from background.documents.naming import DOCX, HTML, MARKDOWN, PDF, PLAIN, clean_name, document_id, media_type_of
from background.errors import Invalid, UnsupportedType
from tests.unit.documents.makers import refused_field

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd.txt",
    "..\\windows.txt",
    "a/b.txt",
    "nul\0.txt",
    "line\nbreak.txt",
    "bell\x07.txt",
    "\x85.txt",
    "right-to-left \u202etxt.exe.txt",
    "zero\u200bwidth.txt",
    "\ud800.txt",
    "paragraph\u2029.txt",
    " leading.txt",
    "trailing.txt ",
    "\u3000wide.txt",
    "x" * 300,
    "x" * 197 + ".txt",
    "한" * 90 + ".txt",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_invalid(name: str) -> None:
    with pytest.raises(Invalid) as raised:
        clean_name(name)
    assert refused_field(raised.value) == ("body", "file")


@pytest.mark.parametrize(
    "name", ["a.txt", "보고서 (1).pdf", "ünïcode.md", "..txt", "a" * 196 + ".txt", "한" * 83 + ".txt"]
)
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert clean_name(name) == name


def test_two_spellings_of_one_name_are_one_document() -> None:
    name = "보고서.txt"
    decomposed = unicodedata.normalize("NFD", name)
    assert decomposed != name
    assert clean_name(decomposed) == name
    assert document_id(clean_name(decomposed)) == document_id(name)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.txt", PLAIN),
        ("a.TEXT", PLAIN),
        ("a.md", MARKDOWN),
        ("a.Markdown", MARKDOWN),
        ("a.html", HTML),
        ("a.HTM", HTML),
        ("a.b.pdf", PDF),
        ("a.DocX", DOCX),
    ],
)
def test_the_extension_says_the_type(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


@pytest.mark.parametrize("name", ["a", "a.exe", ".txt", "a.txt.zip", "pdf", "a.doc"])
def test_other_extensions_are_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedType):
        media_type_of(name)
