"""Each kind of file to its text."""

import contextlib
import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from background.base.errors import Invalid, UnsupportedType
from background.documents.extraction import ExtractedText, Facts
from background.documents.extraction import extract as extraction
from background.documents.extraction.docx import MAX_TREE
from background.documents.extraction.extract import tidy
from background.documents.naming import DOCX, HTML, MARKDOWN, PDF, PLAIN
from tests.unit.documents import makers
from tests.unit.documents.conftest import Read


def expected(text: str, *, title: str | None = None, **facts: Any) -> ExtractedText:
    return ExtractedText(Facts(title=title, characters=len(text), **facts), text)


KOREAN = [
    "안녕하세요",
    "재시도",
    "나",
    "Redis는 빠르다",
    "API를 호출한다",
    "「작업」이란 무엇인가?",
    "똠방각하 펲시콜라",
]
WESTERN = [
    "café",
    "déjà vu créée",
    "Ação e reação",
    "AÇÃO",
    "Ähnlich größer",
    "España ñandú",
    "“quoted” — fine",
    "10°C",
]


@pytest.mark.parametrize("text", KOREAN)
def test_korean_in_cp949_however_short(read: Read, text: str) -> None:
    assert read(text.encode("cp949"), PLAIN).text == text


def test_korean_in_cp949_with_a_broken_byte(read: Read) -> None:
    text = "작업자는 심장 박동으로 임대를 연장한다. " * 20
    assert read(text.encode("cp949") + b"\xff", PLAIN).text == text + "\ufffd"


@pytest.mark.parametrize("text", WESTERN)
def test_western_european_in_cp1252(read: Read, text: str) -> None:
    assert read(text.encode("cp1252"), PLAIN).text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Очередь задач хранит работу до тех пор, пока её не возьмёт рабочий процесс.", "cp1251"),
        ("Очередь задач хранит работу до тех пор, пока её не возьмёт рабочий процесс.", "koi8-r"),
        ("キューは仕事を待たせる場所です。再試行は失敗した仕事をもう一度行います。", "cp932"),
        ("キューは仕事を待たせる場所です。再試行は失敗した仕事をもう一度行います。", "euc-jp"),
        ("队列保存等待执行的任务。失败的任务会被重试,直到达到最大次数。", "gb18030"),
        ("Die Warteschlange hält Aufträge zurück, bis ein Arbeiter sie übernimmt.", "cp273"),
        ("The queue holds the work until a worker takes it, and then the result is kept.", "cp037"),
    ],
)
def test_other_encodings_are_guessed(read: Read, text: str, encoding: str) -> None:
    assert read(text.encode(encoding), PLAIN).text == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_with_and_without_mark(read: Read, encoding: str) -> None:
    assert read("작업 queue".encode(encoding), PLAIN).text == "작업 queue"


def test_an_encoding_is_guessed_where_the_text_is_not_in_ascii(read: Read) -> None:
    text = "Plain words that say nothing about it.\n" * 5000 + "작업자는 작업을 빌리고, 끝나면 돌려준다."
    assert read(text.encode("cp949"), PLAIN).text == text


def test_big_endian_utf_16(read: Read) -> None:
    assert read(b"\xfe\xff" + "작업".encode("utf-16-be"), PLAIN).text == "작업"


def test_one_broken_byte_does_not_turn_utf_8_into_something_else(read: Read) -> None:
    text = "작업자는 작업을 빌린다. " * 10
    assert read(text.encode() + b"\xec", PLAIN).text == text + "\ufffd"


@pytest.mark.parametrize(
    "content", [b"a\0b", bytes(range(1, 32)) * 4, b"\x7fELF\x02\x01\x01\x00", b"\x89PNG\r\n\x1a\n\0"]
)
def test_binary_content_is_no_text(read: Read, content: bytes) -> None:
    with pytest.raises(Invalid):
        read(content, PLAIN)


def test_plain_text_keeps_its_paragraphs(read: Read) -> None:
    result = read(b"A title\r\n\r\nline one\r\nline two  \r\n\r\n\r\n\r\nnext\x0cpage", PLAIN)
    assert result == expected("A title\n\nline one\nline two\n\nnext\npage", title="A title", encoding="utf-8")


def test_a_long_first_line_is_no_title(read: Read) -> None:
    assert read(b"word " * 50 + b"\n\nnext", PLAIN).facts.title is None


MARKDOWN_SOURCE = """---
layout: post
---
A *title* here
==============

Some **bold _it_ text**, `a*b*c`, 5 * 3, snake_case_name, \\*literal\\*, [link](http://x/a_(b)), ![img](y.png)
<https://a_b_c> &amp; <b>tag</b><!-- a
comment --> ~~gone~~ ***both***

- one
- [x] two
  1. nested

> quote

| a | b\\|c |
|---|:--|
| 1 | 2 |

```python
def f(): *x*

    return `y`
```
[ref]: http://example.org
## Second ##
"""
MARKDOWN_TEXT = """A title here

Some bold it text, a*b*c, 5 * 3, snake_case_name, *literal*, link, img https://a_b_c & tag gone both

one
two
nested

quote

a\tb|c
1\t2

def f(): *x*

    return `y`

Second"""


def test_markdown_loses_its_markup_and_keeps_its_words(read: Read) -> None:
    assert read(MARKDOWN_SOURCE.encode(), MARKDOWN) == expected(MARKDOWN_TEXT, title="A title here", encoding="utf-8")


def test_html_gives_paragraphs_lists_and_tables(read: Read) -> None:
    source = b"""<title> T &amp; t </title><style>x{}</style><body><h1>Hi</h1><p>para <b>bold</b>
        text<br>line</p><script>bad()</script><ul><li>a<li>b</ul>
        <table><tr><td>1</td><td>2</td></tr><tr><td>3<td>4</table><pre>\n x\n   y</pre>tail<!-- c -->"""
    text = "Hi\n\npara bold text\nline\n\na\nb\n\n1\t2\n3\t4\n\n x\n   y\n\ntail"
    assert read(source, HTML) == expected(text, title="T & t", encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<div>" * 100_000 + "deep", "deep"),
        ("one</p>two</br>three", "one\ntwo\nthree"),
        ("<pre>|\u00a0\u00a0 x</pre>", "|\u00a0\u00a0 x"),
        ("<table>one<tr><td>two</table>three", "one\ntwo\n\nthree"),
        ("<ul><li><p>one</p><p>two</p><li><p>three</p></ul>", "one\n\ntwo\n\nthree"),
        ("<textarea>one</p></TEXTAREA><textarea>two</br></textarea>", "one</p>two</br>"),
        ("<UL><LI><P>one</P><UL><LI><P>two</P></P>three</UL></UL>", "one\ntwo\nthree"),
        ("<ul><li><p>one</p><ul><li><p>two</p></ul></ul>", "one\ntwo"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_html_of_other_shapes(read: Read, source: str, text: str) -> None:
    assert read(source.encode(), HTML).text == text


def test_html_without_title_takes_the_first_heading(read: Read) -> None:
    assert read(b"<p>x<h1>Big <i>one</i></h1>", HTML).facts.title == "Big one"


@pytest.mark.parametrize("label", ["euc-kr", "EUC-KR", "ks_c_5601-1987"])
def test_html_may_declare_its_encoding(read: Read, label: str) -> None:
    source = f'<html><head><meta http-equiv="content-type" content="text/html; charset={label}"><body>큐'
    assert read(source.encode("cp949"), HTML).text == "큐"


def test_a_declaration_in_a_comment_is_none(read: Read) -> None:
    source = "<!-- <meta charset='iso-8859-1'> --><meta charset='utf-8'><p>café"
    assert read(source.encode(), HTML).text == "café"


@pytest.mark.parametrize("label", ["utf-8", "nonsense", "rot13", "unicode_escape", "utf-7", "idna"])
def test_a_false_or_foolish_declaration_is_ignored(read: Read, label: str) -> None:
    source = f"<meta charset='{label}'><p>안녕하세요 \\x41 +AGE-"
    assert read(source.encode("cp949"), HTML).text == "안녕하세요 \\x41 +AGE-"


def test_pdf(read: Read) -> None:
    assert read(makers.pdf(pages=3), PDF) == expected("\n\n".join(["Hello queue."] * 3), title="Hello queue.", pages=3)
    assert read(makers.titled_pdf("제목"), PDF).facts.title == "제목"


@pytest.mark.parametrize("name", ["rc4-locked.pdf", "aes256-locked.pdf"])
def test_an_encrypted_pdf_is_refused(read: Read, name: str) -> None:
    with pytest.raises(Invalid, match="encrypted"):
        read((makers.FILES / name).read_bytes(), PDF)


@pytest.mark.parametrize("name", ["aes128-open.pdf", "aes256-open.pdf"])
def test_an_encrypted_pdf_that_opens_without_a_password_is_read(read: Read, name: str) -> None:
    assert read((makers.FILES / name).read_bytes(), PDF).text == "Hello queue."


@pytest.mark.parametrize("length", [1, 9, 100, 300, 450])
def test_a_truncated_pdf_is_invalid_or_recovered(read: Read, length: int) -> None:
    with contextlib.suppress(Invalid):
        assert "Hello" in read(makers.pdf()[:length], PDF).text


def test_a_pdf_without_text_or_with_too_many_pages_is_invalid(read: Read) -> None:
    with pytest.raises(Invalid, match="no text"):
        read(makers.pdf(""), PDF)
    with pytest.raises(Invalid, match="pages"):
        read(makers.pdf(pages=5001), PDF)


def test_docx_with_its_table(read: Read) -> None:
    result = read(makers.word("첫 문단", "second", heading="Head"), DOCX)
    assert result == expected("Head\n\n첫 문단\n\nsecond\n\ncell 0\tcell 1\ncell 2\tcell 3", title="Head")
    assert read(makers.word("x", title="A title", heading="Head"), DOCX).facts.title == "A title"


def test_a_style_of_no_type_hides_no_heading(read: Read) -> None:
    def edit(name: str, content: bytes) -> bytes:
        heading = b"<w:body><w:p><w:pPr><w:pStyle w:val='Heading1'/></w:pPr><w:r><w:t>Head</w:t></w:r></w:p>"
        style = b"<w:style w:styleId='x'/></w:styles>"
        return content.replace(b"</w:styles>", style).replace(b"<w:body>", heading)

    assert read(makers.repacked_word(edit), DOCX).facts.title == "Head"


def test_the_heading_of_a_docx_is_one_that_is_read(read: Read) -> None:
    head = "<w:p><w:pPr><w:pStyle w:val='Heading1'/></w:pPr>{}</w:p>"
    old = head.replace("</w:pPr>", "<w:pPrChange><w:pPr><w:pStyle w:val='Title'/></w:pPr></w:pPrChange></w:pPr>")
    run, box = "<w:r><w:t>{}</w:t></w:r>", "<w:txbxContent><w:p>{}</w:p></w:txbxContent>"
    body = (
        old.replace("Heading1", "x").format(run.format("No heading"))
        + f"<w:moveFrom>{head.format(run.format('Moved away'))}</w:moveFrom>"
        + head.format("")
        + head.format(run.format("One") + box.format(run.format("two")) + run.format("three"))
    )
    result = read(makers.edited_word(lambda xml: xml.replace(b"<w:body>", b"<w:body>" + body.encode())), DOCX)
    assert result.facts.title == "One two three"
    assert result.text.startswith("No heading\n\nOne\n\ntwo\n\nthree\n\nHello")


def test_a_docx_is_read_in_pieces_that_part_no_word(read: Read) -> None:
    words = "".join(f"word{number} &amp;&#x4e00; " for number in range(20_000))
    result = read(makers.edited_word(lambda xml: xml.replace(b"Hello", words.encode())), DOCX)
    assert result.text.startswith("".join(f"word{number} &\u4e00 " for number in range(20_000)).strip() + "\n\n")


def test_a_docx_of_a_thousand_elements_in_one_another_is_refused(read: Read) -> None:
    deep = b"<w:body>" + b"<w:r>" * 1000 + b"</w:r>" * 1000
    with pytest.raises(Invalid, match="too deeply"):
        read(makers.edited_word(lambda xml: xml.replace(b"<w:body>", deep)), DOCX)


def test_a_docx_with_a_part_of_another_format_is_refused(read: Read) -> None:
    with pytest.raises(Invalid, match="altChunk"):
        read(makers.edited_word(lambda xml: xml.replace(b"<w:body>", b"<w:body><w:altChunk/>")), DOCX)


def test_docx_content_controls_and_tracked_changes(read: Read) -> None:
    def edit(xml: bytes) -> bytes:
        extra = (
            b"<w:sdt><w:sdtContent><w:p><w:r><w:t>inside</w:t></w:r></w:p></w:sdtContent></w:sdt>"
            b"<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:ins><w:r><w:t>new</w:t><w:tab/></w:r></w:ins>"
            b"<w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:r><w:t>end</w:t></w:r></w:p>"
        )
        return xml.replace(b"<w:body>", b"<w:body>" + extra)

    assert read(makers.edited_word(edit), DOCX).text.startswith("inside\n\nnew\tend\n\nHello")


def declare(declaration: str) -> Callable[[bytes], bytes]:
    return lambda xml: xml.replace(b"?>", b"?>" + declaration.encode(), 1).replace(b"Hello", b"A&x;B")


@pytest.mark.parametrize("entity", ['"aaaa"', 'SYSTEM "file:///etc/passwd"'])
def test_a_docx_with_entities_is_refused(read: Read, entity: str) -> None:
    with pytest.raises(Invalid, match="document type"):
        read(makers.edited_word(declare(f"<!DOCTYPE x [<!ENTITY x {entity}>]>")), DOCX)


def test_entities_hidden_in_utf_16_are_refused_too(read: Read) -> None:
    change = declare('<!DOCTYPE x [<!ENTITY x "aaaa">]>')
    hidden = makers.edited_word(lambda xml: change(xml).decode().replace("UTF-8", "UTF-16").encode("utf-16"))
    with pytest.raises(Invalid, match="document type"):
        read(hidden, DOCX)


def test_a_docx_bomb_is_refused_before_it_takes_memory(read: Read) -> None:
    bomb = makers.edited_word(lambda xml: xml + b" " * 100_000_000)
    tracemalloc.start()
    with pytest.raises(Invalid, match="too large"):
        read(bomb, DOCX)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 90_000_000


@pytest.mark.parametrize("part", ["word/_rels/document.xml.rels", "word/styles.xml", "docProps/core.xml"])
def test_a_tree_is_made_of_small_parts_alone(read: Read, part: str) -> None:
    padded = makers.repacked_word(lambda name, content: content + b" " * MAX_TREE if name == part else content)
    with pytest.raises(Invalid, match="too large"):
        read(padded, DOCX)


def test_a_forged_column_span_costs_nothing(read: Read) -> None:
    row = b'<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr><w:p><w:r><w:t>c</w:t></w:r></w:p>'
    forged = makers.edited_word(lambda xml: xml.replace(b"<w:body>", b"<w:body>" + row + b"</w:tc></w:tr></w:tbl>"))
    assert read(forged, DOCX).text.startswith("c\n\nHello")


@pytest.mark.parametrize(
    "content", [makers.other_zip(), b"PK\x03\x04", b"text", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 99]
)
def test_what_is_no_docx_is_invalid(read: Read, content: bytes) -> None:
    with pytest.raises(Invalid):
        read(content, DOCX)


def test_an_unknown_type_is_unsupported(read: Read) -> None:
    with pytest.raises(UnsupportedType):
        read(b"x", "image/png")


def test_tidy_text_can_be_stored_and_compared() -> None:
    assert tidy("\ufeffa\0b\ud800 \n \n\n\nc\x1b[0m e\u0301") == "ab\ufffd\n\nc[0m \u00e9"


def test_a_text_that_ends_in_nothing_but_line_ends_takes_no_longer() -> None:
    assert tidy("a" + "\n" * 1_000_000) == "a"


@pytest.mark.parametrize("size", [9, 20, 65536])
@pytest.mark.parametrize(
    "text",
    [
        "a \x01b a\x01 b \n\n \r\n c\u2028\u2028\r\n" * 9,
        "e\u0327\u0301 \x01\u0301 i\u0308\xad\u0301. " * 9,
        "\u1112\u1161\u11ab\u1100\u1173\u11af " * 9,
        "\u304b\u3099\u6f22\u304b\u3099\uff01" * 9,
    ],
    ids=["white space", "accents", "Korean of macOS", "Japanese of macOS"],
)
def test_a_text_that_is_tidied_in_pieces_is_what_it_is_in_one(
    text: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tidy(text)
    monkeypatch.setattr(extraction, "_PIECE", re.compile(extraction._PIECE.pattern.replace("65536", str(size))))
    assert tidy(text) == whole
