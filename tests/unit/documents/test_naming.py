"""What may be the name of a document."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator

import pytest
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from background.base.errors import Invalid, UnsupportedType
from background.documents.naming import (
    DOCX,
    HTML,
    MARKDOWN,
    PDF,
    PLAIN,
    clean_name,
    document_id,
    media_type_of,
)
from background.http.filenames import given_name
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
    "joined\u200dlatin.txt",
    "보\u200d고서.txt",
    "\u0645\u200d.txt",
    "\u200d\U0001f469.txt",
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


def test_letters_are_counted_as_they_are_stored() -> None:
    name = "한" * 80 + ".txt"
    assert len(unicodedata.normalize("NFD", name)) > 200
    assert clean_name(unicodedata.normalize("NFD", name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f469\u200d\U0001f4bb.txt",  # a technician
        "\U0001f468\U0001f3fd\u200d\U0001f680.txt",  # with a colour of skin
        "\u2764\ufe0f\u200d\U0001f525.txt",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt",  # Persian
        "\u0915\u094d\u200d\u0937.txt",  # Hindi
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3.txt",  # Sinhala
    ],
    ids=ascii,
)
def test_joiners_stay_where_scripts_and_emoji_need_them(name: str) -> None:
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'filename="plain.txt"', "plain.txt"),
        ('filename="보고서.txt"'.encode(), "보고서.txt"),
        ('filename="Größe.txt"'.encode(), "Größe.txt"),
        ('filename="보고서.txt"'.encode("cp949"), "보고서.txt"),
        ('filename="똠방 각하.hwp.txt"'.encode("cp949"), "똠방 각하.hwp.txt"),
        ('filename="caf\u00e9.txt"'.encode("latin-1"), "café.txt"),
        (b'filename="=?utf-8?B?67O06rOg7IScLnR4dA==?="', "보고서.txt"),
        (b"filename=\"=?utf-8?B?67O06rOg7IScLnR4dA==?=\"; filename*=utf-8''%EB%B3%B4.txt", "보.txt"),
        (b'filename="=?euc-kr?Q?=BA=B8=B0=ED=BC=AD?= =?utf-8?Q?=2Etxt?="', "보고서.txt"),
        (b"filename=\"x.txt\"; filename*=euc-kr'ko'%BA%B8%B0%ED%BC%AD.txt", "보고서.txt"),
        (b"filename=\"x.txt\"; filename*=nonsense''%BA", "x.txt"),
        (b"filename=\"x.txt\"; filename*=utf-8''%FF.txt", "x.txt"),
        (b'filename="=?utf-8?B?broken"', "=?utf-8?B?broken"),
        (b'filename="=?rot13?Q?x?="', "=?rot13?Q?x?="),
        (b"filename=\"a; filename*=utf-8''b.txt\"", "a; filename*=utf-8''b.txt"),
        (b"filename=\"x.txt\"; filename*=utf-8''..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
    ],
)
def test_a_name_as_clients_send_it(disposition: bytes, name: str) -> None:
    header = b'form-data; name="file"; ' + disposition

    async def parsed() -> str:
        lines = (b"--x\r\nContent-Disposition: ", header, b"\r\n\r\ntext\r\n--x--\r\n")

        async def body() -> AsyncGenerator[bytes, None]:
            yield b"".join(lines)

        form = await MultiPartParser(Headers({"content-type": "multipart/form-data; boundary=x"}), body()).parse()
        file = form["file"]
        assert isinstance(file, UploadFile)
        return given_name(file.filename or "", file.headers["content-disposition"])

    assert asyncio.run(parsed()) == name


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
