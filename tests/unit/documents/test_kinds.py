"""What readers get wrong, kind by kind: right, or said to be doubtful, or refused."""

from pathlib import Path

import pytest

from background.base.errors import Invalid
from background.documents.extraction import docx, markdown
from background.documents.extraction.encoding import decode
from background.documents.extraction.extract import extract
from background.documents.naming import DOCX, HTML, MARKDOWN, PDF, PLAIN, media_type_of
from tests.unit.documents import makers
from tests.unit.documents.conftest import Read

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
STRICT = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/": "http://purl.oclc.org/ooxml/wordprocessingml/",
    "http://schemas.openxmlformats.org/officeDocument/2006/": "http://purl.oclc.org/ooxml/officeDocument/",
    "http://schemas.openxmlformats.org/drawingml/2006/": "http://purl.oclc.org/ooxml/drawingml/",
}


@pytest.mark.parametrize("want", sorted(makers.FILES.glob("*.want")), ids=lambda path: path.stem)
def test_files_say_what_they_say(want: Path) -> None:
    (path,) = (path for path in want.parent.glob(f"{want.stem}.*") if path != want)
    assert extract(path, media_type_of(path.name)).text == want.read_text().strip()


def paragraph(inner: str) -> bytes:
    """The main part of a DOCX, of which one paragraph holds `inner`."""
    xml = f'<w:document xmlns:w="{W}" xmlns:m="{M}"><w:body><w:p>{inner}</w:p></w:body></w:document>'
    return makers.edited_word(lambda _: xml.encode())


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def part(tag: str, text: str) -> str:
    """A part of an equation."""
    return f"<m:{tag}><m:t>{text}</m:t></m:{tag}>"


def box(*texts: str) -> str:
    return "<w:txbxContent>" + "".join(f"<w:p>{run(text)}</w:p>" for text in texts) + "</w:txbxContent>"


def alternatives(choice: str, fallback: str) -> str:
    namespace = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    both = f"<mc:Choice>{choice}</mc:Choice><mc:Fallback>{fallback}</mc:Fallback>"
    return f"<w:r><mc:AlternateContent {namespace}>{both}</mc:AlternateContent></w:r>{run('d')}"


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (f"{run('a')}<w:r><w:pict>{box('b', 'c')}</w:pict></w:r>{run('d')}", "a\n\nb\n\nc\n\nd"),
        (
            alternatives(f"<w:drawing>{box('b')}</w:drawing>", box("b")),
            "b\n\nd",
        ),
        (
            alternatives("<w:drawing/>", box("b")),
            "b\n\nd",
        ),
        (
            f"<w:pPr><w:framePr w:dropCap='drop'/></w:pPr>{run('D')}</w:p><w:p>{run('rop')}</w:p><w:p>{run('x')}",
            "Drop\n\nx",
        ),
        (f"<w:pPr><w:framePr w:w='1'/></w:pPr>{run('a')}</w:p><w:p>{run('b')}", "a\n\nb"),
        (f"<w:moveFrom>{run('moved')}</w:moveFrom>{run('a ')}<w:moveTo>{run('moved')}</w:moveTo>", "a moved"),
        (f"<w:del>{run('old')}</w:del><w:ins>{run('new')}</w:ins>", "new"),
        (f"<w:ins><w:moveTo>{run('x')}</w:moveTo></w:ins><w:moveFrom><w:ins>{run('x')}</w:ins></w:moveFrom>", "x"),
        (f"<w:ruby><w:rt>{run('かん')}</w:rt><w:rubyBase>{run('漢')}</w:rubyBase></w:ruby>{run('字')}", "漢字"),
        (f"{run('ソ')}<w:ruby><w:rubyBase>{run('連')}</w:rubyBase><w:rt>{run('れん')}</w:rt></w:ruby>", "ソ連"),
        ("<w:ruby><w:rubyBase><w:hyperlink>" + run("東") + "</w:hyperlink></w:rubyBase></w:ruby>", "東"),
        (f"{run('x ')}<w:r><w:sym w:font='Symbol' w:char='F0A5'/></w:r>", "x ∞"),
        (f"{run('x ')}<w:r><w:sym w:font='Symbol' w:char='57'/><w:sym w:font='Symbol' w:char='F0F2'/></w:r>", "x Ω∫"),
        (f"{run('x ')}<w:r><w:sym w:font='Private' w:char='F0A5'/></w:r>", "x \ufffd"),
        ("<w:r><w:rPr><w:rFonts w:ascii='Symbol' w:hAnsi='Symbol'/></w:rPr><w:t>\uf061 = W</w:t></w:r>", "α = Ω"),
        (f"<w:r><w:rPr><w:rFonts w:hAnsi='Symbol'/></w:rPr><w:t>a é</w:t></w:r>{run(' a')}", "α é a"),
        (
            "<w:r><w:rPr><w:rPrChange><w:rFonts w:ascii='Symbol'/></w:rPrChange></w:rPr><w:t>a</w:t></w:r>",
            "a",
        ),
        (
            "<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath>",
            "a/b",
        ),
        (
            "<m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>",
            "x^2",
        ),
        (
            "<m:t>n</m:t><m:fName><m:e><m:t>lim</m:t></m:e><m:lim><m:t>x</m:t></m:lim></m:fName><m:e><m:t>y</m:t></m:e>",
            "n lim_x y",
        ),
        ("<m:oMath><m:d><m:e><m:rad><m:e><m:r><m:t>y</m:t></m:r></m:e></m:rad></m:e></m:d></m:oMath>", "(√y)"),
        (f"<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr>{part('sub', 'n')}<m:sup/>{part('e', 'a')}</m:nary>", "∑_na"),
        (f"<m:nary><m:sub/><m:sup><m:sSub><m:e/><m:sub/></m:sSub></m:sup>{part('e', 'x')}</m:nary>", "∫x"),
        (f"<m:d><m:dPr><m:begChr m:val='['/><m:endChr/></m:dPr>{part('e', 'a')}{part('e', 'b')}</m:d>", "[a|b"),
        (f"<m:rad>{part('deg', '3')}{part('e', '7')}</m:rad>", "3√7"),
        (f"<m:acc><m:accPr/>{part('e', 'v')}</m:acc><m:t>w</m:t>", "v̂w"),
        (
            f"<m:d><m:e><m:m><m:mr>{part('e', '1') + part('e', '2')}</m:mr><m:mr><m:e/></m:mr></m:m></m:e></m:d>",
            "(1\t2\n)",
        ),
        (f"<m:eqArr>{part('e', 'x=1')}{part('e', '2=y')}</m:eqArr>", "x=1\n2=y"),
    ],
)
def test_docx(read: Read, inner: str, text: str) -> None:
    assert read(paragraph(inner), DOCX).text == text


@pytest.mark.parametrize("kind", ["footnotes", "endnotes"])
@pytest.mark.parametrize("strict", [False, True])
def test_docx_with_notes(read: Read, kind: str, strict: bool) -> None:
    kinds = ("separator", "continuationSeparator", "continuationNotice")
    separator = "".join(f'<w:x w:type="{each}"><w:p>{run("----a")}</w:p></w:x>' for each in kinds)
    notes = f'<w:n xmlns:w="{W}">{separator}<w:x w:id="2"><w:p>{run("The note.")}</w:p></w:x></w:n>'
    relation = (
        '<Relationship Id="n" Target="notes.xml" '
        f'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"/></Relationships>'
    )

    def edit(name: str, content: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            content = content.replace(b"</Relationships>", relation.encode())
        for transitional, other in STRICT.items() if strict else ():
            content = content.replace(transitional.encode(), other.encode())
        return content

    document = makers.repacked_word(edit, {"word/notes.xml": notes.encode()})
    assert read(document, DOCX).text.endswith("cell 2\tcell 3\n\nThe note.")


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
        "application/vnd.ms-word.document.macroEnabled.main+xml",
        "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    ],
)
def test_templates_and_documents_with_macros_are_documents(read: Read, kind: str) -> None:
    main = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    template = makers.repacked_word(lambda _, content: content.replace(main, kind.encode()))
    assert read(template, DOCX) == read(makers.word("Hello"), DOCX)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (
            "word/_rels/document.xml.rels",
            b"</Rel",
            b'<Relationship Id="x" Target="media/x.png" Type="http://x/image"/></Rel',
        ),
        ("_rels/.rels", b'Target="word/document.xml"', b'Target="/word/document.xml"'),
        ("_rels/.rels", b'Target="word/document.xml"', b'Target="Word/Document.XML"'),
        ("_rels/.rels", b'Target="docProps/core.xml"', b'TargetMode="External" Target="http://x.y"'),
        ("_rels/.rels", b"</Rel", b"<!-- x --><?x?></Rel"),
        ("word/styles.xml", b"</w:styles", b"<!-- x --><?x?></w:styles"),
    ],
    ids=["a lost picture", "an absolute name", "a name in another case", "properties elsewhere", "a remark", "a style"],
)
def test_what_has_no_words_in_it_keeps_no_docx_from_being_read(read: Read, part: str, old: bytes, new: bytes) -> None:
    other = makers.repacked_word(lambda name, content: content.replace(old, new) if name == part else content)
    assert read(other, DOCX).text == read(makers.word("Hello"), DOCX).text


def test_of_a_docx_only_what_is_read_counts(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docx, "MAX_XML", 1_000_000)
    more = {"customXml/item9.xml": b" " * 1_000_000}
    assert (
        read(makers.repacked_word(lambda _, content: content, more), DOCX).text == read(makers.word("Hello"), DOCX).text
    )


def test_a_docx_whose_words_are_lost_is_refused(read: Read) -> None:
    with pytest.raises(Invalid):
        read(makers.repacked_word(lambda _, content: content.replace(b"word/document.xml", b"word/lost.xml")), DOCX)


MARKDOWN_KINDS = {
    "Claim.[^1]\n\n[^1]: The *note*.\n": "Claim.\n\nThe note.",
    "One[^a] two[^b].\n\n[^b]: B.\n[^a]: A.\n": "One two.\n\nB.\n\nA.",
    "A note.[^n]\n\n[^n]: One.\n\n    Two.\n\nAfter it.": "A note.\n\nOne.\n\nTwo.\n\nAfter it.",
    "one\ntwo  \nthree\\\nfour": "one two\nthree\nfour",
    '![a "b" <c>](u "t") [![d](e)](f)': 'a "b" <c> d',
    "[later][r] [^n]\n\n[r]: http://x\n\n[^n]: note": "later\n\nnote",
    "---\ntitle: x\ntags: [a]\n---\nText": "Text",
    "Text\n\n---\n\nmore": "Text\n\nmore",
    '+++\ntitle = "x"\n\n[extra]\ny = [1]\n+++\nText': "Text",
    "+++ \r\n# x\r\ny.z=1\r\n+++\r\n\r\nText": "Text",
    "+++\nOne\n+++\nTwo": "+++ One +++ Two",
    "---\n# One\n---\ntwo: 2\n---\n## Three": "One\n\ntwo: 2\n\nThree",
    "- a\n\n      code\n- b": "a\n\ncode\n\nb",
    "a_b_c 2*3*4 <x@y.z> `<b>`": "a_b_c 234 x@y.z <b>",
    "<div><table><tr><td>1<td>2</table></div>\n\nText": "1\t2\n\nText",
    "<details>\n<summary>More</summary>\n\n**bold**\n</details>": "More\n\nbold",
    "* a\n  * b\n    * c\n": "a\nb\nc",
    "a | b\n--|--\n1 | `x|y`": "a\tb\n1\t`x",
}


@pytest.mark.parametrize("source", MARKDOWN_KINDS, ids=ascii)
def test_markdown(read: Read, source: str) -> None:
    assert read(source.encode(), MARKDOWN).text == MARKDOWN_KINDS[source]


def test_front_matter_alone_is_no_text(read: Read) -> None:
    with pytest.raises(Invalid, match="holds no text"):
        read(b"---\ntitle: x\n---\n", MARKDOWN)


IN_PIECES = {
    "[^1] [a\nB] ![p][x] [q]\n\n[X]: u\n\n[^1]: One.\n\n    Two.\n\n[A b]: u": "a B p [q]\n\nOne.\n\nTwo.",
    "```\na\n\n*b*\n\n[a]: u\n```\n\n[a]": "a\n\n*b*\n\n[a]: u\n\n[a]",
    "<div>\n- a\n- b\n</div>\n\n<!-- x\n\ny -->\n\nc": "- a - b\n\nc",
    "1. a\n\n   b\n# c\n> d\n\ne": "a\n\nb\n\nc\n\nd\n\ne",
    "- a\n  ~~~\n  *b*\n\n  c\n  ~~~\n- d": "a\n\n*b*\n\nc\n\nd",
    "~~~\na\n\n- b": "a\n\n- b",
}


@pytest.mark.parametrize("source", IN_PIECES, ids=ascii)
@pytest.mark.parametrize("size", [1, 10, 1_000_000])
def test_markdown_in_pieces_is_what_it_is_in_one(
    read: Read, source: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown, "_PIECE", size)
    assert read(source.encode(), MARKDOWN).text == IN_PIECES[source]


PARTED = {
    "a | b\n--|--\n" + "c | d\n" * 30 + "\ne": "a b" + " c d" * 30 + " e",
    "> | a | b |\n> |:-|-|\n" + "> | c | d |\n" * 30: "a b" + " c d" * 30,
    "- x\n\n  a | b\n  --|--\n" + "  c | d\n" * 30: "x a b" + " c d" * 30,
    "```\n" + "a *b*\n\n" * 30 + "```\n*c*": "a *b* " * 30 + "c",
    "> ```\n" + "> *a*\n>\n" * 30 + "> ```\n\n*b*": "*a* " * 30 + "b",
    "- a\n\n  ```\n" + "  *b*\n\n" * 30 + "  ```\n\n*c*": "a " + "*b* " * 30 + "c",
    "    *a*\n" * 30 + "\n*b*": "*a* " * 30 + "b",
    "<div>\n" + "*a*\n" * 30 + "</div>\n\n*b*": "*a* " * 30 + "b",
    "<!--" + "\na" * 30 + "\n\na-->\n\n*b*": "b",
    "1. a\n   *b*\n" * 30: "a b " * 30,
    "> a\nb\n" * 30: "a b " * 30,
    "many words " * 30: "many words " * 30,
}


@pytest.mark.parametrize("source", PARTED, ids=range(len(PARTED)))
@pytest.mark.parametrize("size", [20, 50, 1_000_000])
def test_a_large_block_of_markdown_keeps_its_words(
    read: Read, source: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown, "_PIECE", size)
    monkeypatch.setattr(markdown, "_BLOCK", size)
    assert read(source.encode(), MARKDOWN).text.split() == PARTED[source].split()


HTML_KINDS = {
    "a<dialog>b</dialog>c": "a\n\nb\n\nc",
    "<hgroup>a</hgroup><search>b</search><menu><li>c</menu>d": "a\n\nb\n\nc\n\nd",
    "<fieldset><legend>a</legend><label>b</label></fieldset>": "a\nb",
    "a<video>No film</video><audio>No sound</audio><datalist><option>x</datalist>b": "ab",
    "<p>a<noembed>x</noembed>b": "ab",
    "soft&shy;ly, Donau\u00addampf": "softly, Donaudampf",
    "<p>a</p><svg><title>icon</title></svg>": "a",
    "<div>a<svg><path d='x'><p>b</p>c</div>d": "a\n\nb\n\nc\n\nd",
    "<ul><li>a<math><mi>x<mo>=</math>b<li><svg><g><svg><span>c</span></ul>d": "ab\nc\n\nd",
    "<object><svg><p>a</p></svg>b</object>c": "c",
    "<svg><mtext><p>a</svg><math><desc><p>b": "a\n\nb",
    "<svg><foreignObject><p>a</p></foreignObject><desc><b>b</b></desc></svg>c": "c",
}


@pytest.mark.parametrize("source", HTML_KINDS, ids=ascii)
def test_html(read: Read, source: str) -> None:
    assert read(source.encode(), HTML).text == HTML_KINDS[source]


def test_the_title_of_a_picture_is_not_that_of_the_page(read: Read) -> None:
    assert read(b"<svg><title>Icon</title></svg><h1>Page</h1>", HTML).facts.title == "Page"
    assert read(b"<svg><path><h1>First</h1>", HTML).facts.title == "First"
    assert read(b"<title> </title><h1></h1><h1>Second</h1>", HTML).facts.title == "Second"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-13", "iso8859-13", "Eilė saugo darbą"),
        ("windows-1256", "cp1256", "مرحبا بالعالم"),
        ("iso-8859-8-i", "iso8859-8", "שלום עולם"),
        ("ksc5601", "cp949", "똠방각하"),
        ("x-sjis", "cp932", "①キュー"),
        ("x-euc-jp", "euc_jis_2004", "①キュー㈱"),
        ("gb2312", "gb18030", "三€"),
        ("koi", "koi8-r", "очередь"),
        ("macintosh", "mac-roman", "café"),
        ("ibm866", "cp866", "очередь"),
    ],
)
def test_declared_encodings(read: Read, label: str, codec: str, text: str) -> None:
    result = read(f'<meta http-equiv=x content="text/html; charset={label}"><p>{text}'.encode(codec), HTML)
    assert (result.text, result.facts.encoding_sure) == (text, True)


@pytest.mark.parametrize("label", ["iso-2022-kr", "x-user-defined", "hz-gb-2312", "utf-16le", "utf-7", "nonsense"])
def test_declarations_that_cannot_be_true(read: Read, label: str) -> None:
    assert read(f"<meta charset={label}><p>한글 문서".encode(), HTML).text == "한글 문서"


@pytest.mark.parametrize(
    "begin",
    [
        "<?xml version='1.0' encoding='iso-8859-1'?><meta charset='utf-8'>",
        "<meta charset='none'><meta charset='utf-8'>",
        "<meta name=description content='charset=koi8-r, and others'><meta charset='utf-8'>",
        "<meta content='charset=koi8-r' property='x'><meta http-equiv=content-type content='text/html; charset=utf-8'>",
        "<?xml version='1.0' encoding='utf-8'?>",
    ],
)
def test_of_declared_encodings_the_pages_own_goes_first_if_it_is_known(read: Read, begin: str) -> None:
    result = read(f"{begin}<p>Žluťoučký kůň".encode(), HTML)
    assert (result.text, result.facts.encoding, result.facts.encoding_sure) == ("Žluťoučký kůň", "utf-8", True)
    result = read(f"{begin.replace('utf-8', 'windows-1250')}<p>Žluťoučký kůň".encode("cp1250"), HTML)
    assert (result.text, result.facts.encoding_sure) == ("Žluťoučký kůň", True)


GUESSED = {
    "arabic": ("cp1256", "المهام تنتظر في الطابور حتى يأخذها عامل من العمال ثم يعيد النتيجة إلى من طلبها."),
    "arabic, ISO": ("iso8859_6", "المهام تنتظر في الطابور حتى يأخذها عامل من العمال ثم يعيد النتيجة إلى من طلبها."),
    "polish": ("cp1250", "Kolejka przechowuje pracę, dopóki nie zabierze jej któryś z pracowników. Źle, że śpi."),
    "polish, ISO": (
        "iso8859_2",
        "Kolejka przechowuje pracę, dopóki nie zabierze jej któryś z pracowników. Źle, że śpi.",
    ),
    "hungarian": ("cp1250", "A sor megőrzi a munkát, amíg egy munkás el nem viszi. Utána kész."),
    "japanese": ("iso2022_jp", "失敗した仕事は三回まで再試行される。"),
    "korean, ISO 2022": ("iso2022_kr", "작업자는 작업을 빌린다."),
    "halfwidth": ("iso2022_jp", "キュー queue 仕事"),
    "johab": ("johab", "큐가 비면 작업자는 기다린다."),
    "johab, more": ("johab", "실패한 작업은 세 번까지 다시 시도한다. 그래도 안 되면 멈춘다."),
    "johab, mixed": ("johab", "API를 호출하면 작업 번호가 나오고, 그 번호로 결과를 묻는다."),
    "thai": ("cp874", "งานรออยู่ในคิวจนกว่าคนงานจะมารับไปทำ แล้วส่งผลลัพธ์กลับมา"),
    "turkish": ("cp1254", "Kuyruk, bir işçi onu alana kadar işi saklar; görevler sırayla çalışır, değil mi?"),
    "greek": ("cp1253", "Η ουρά κρατά τις εργασίες μέχρι να τις πάρει ένας εργάτης."),
    "hebrew": ("cp1255", "התור שומר את העבודה עד שעובד לוקח אותה."),
    "russian, DOS": ("cp866", "Очередь хранит работу до тех пор, пока её не возьмёт рабочий процесс."),
    "russian, DOS before": ("cp855", "Очередь хранит работу до тех пор, пока её не возьмёт рабочий процесс."),
    "bulgarian, DOS before": ("cp855", "Опашката пази работата, докато някой работник я вземе."),
    "greek, ISO": ("iso8859_7", "Άλλη μια εργασία περιμένει. Όταν τελειώσει, ο εργάτης παίρνει την επόμενη."),
    "greek, DOS": ("cp737", "Η ουρά κρατά τις εργασίες μέχρι να τις πάρει ένας εργάτης."),
    "turkish, DOS": ("cp857", "Kuyruk, bir işçi onu alana kadar işi saklar; görevler sırayla çalışır, değil mi?"),
    "hebrew, DOS": ("cp862", "התור שומר את העבודה עד שעובד לוקח אותה."),
    "lithuanian, DOS": (
        "cp775",
        "Eilė saugo darbą, kol jį paima darbininkas. Tada darbas būna atliktas, ir visi džiaugiasi.",
    ),
    "ukrainian": ("koi8_u", "Черга зберігає роботу, доки її не забере працівник. Якщо він впаде, робота повертається."),
    "big5": ("big5", "佇列保存等待執行的任務。失敗的任務會被重試，直到達到最大次數。"),
    "wide": ("utf_16_le", "작업자는 작업을 빌리고 돌려준다.\n"),
    "wide, Russian": ("utf_16_be", "Очередь хранит работу."),
    "wide, English": ("utf_16_le", "The queue keeps the work."),
    "wide, 32": ("utf_32_le", "작업 queue"),
}


@pytest.mark.parametrize("kind", GUESSED)
def test_undeclared_encodings(kind: str) -> None:
    codec, text = GUESSED[kind]
    assert decode(text.encode(codec)).text == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("arabic-cp1256.txt", "مرحبا بالعالم."),
        ("czech-cp1250.txt", "Příliš žluťoučký kůň"),
        ("iso2022jp.txt", "キューは仕事を"),
        ("johab.txt", "작업자는 작업을 빌리고 돌려준다."),
        ("thai-tis620.txt", "คิวเก็บงานไว้จนกว่า"),
        ("turkish-cp1254.txt", "İstanbul'da çalışan"),
        ("utf16le-nobom.txt", "작업 queue 하나, 둘, 셋"),
    ],
)
def test_files_in_undeclared_encodings(name: str, text: str) -> None:
    assert decode((makers.FILES / name).read_bytes()).text.startswith(text)


ASCII = "Plain words that say nothing about it. " * 2000
JAPANESE = "失敗した仕事は三回まで再試行される。"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (ASCII.encode() + JAPANESE.encode("iso2022_jp"), ASCII + JAPANESE),
        (ASCII.encode() + JAPANESE.encode("cp932") * 9, ASCII + JAPANESE * 9),
        (f"{JAPANESE}\n".encode("utf-16-be") * 4000, f"{JAPANESE}\n" * 4000),
        (b"\xef\xbb\xbf" + "한글 ".encode() * 40 + b"\xff", "한글 " * 40 + "\ufffd"),
        (b"\x1b(B\x1b[mdone", "\x1b(B\x1b[mdone"),
    ],
    ids=[
        "shifted late",
        "late, on one line",
        "wide",
        "marked, with a broken byte",
        "terminal",
    ],
)
def test_what_tells_an_encoding_may_stand_anywhere(content: bytes, text: str) -> None:
    assert decode(content).text == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("It was broken before: caf\ufffd.".encode(), "It was broken before: caf\ufffd."),
        (b"A broken pro\0gram wrote it. " + ASCII.encode(), f"A broken program wrote it. {ASCII}"),
    ],
)
def test_what_was_broken_before_is_read_as_it_is(content: bytes, text: str) -> None:
    assert decode(content).text == text


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", "повреден „MERGE_RR“ (запис за коригиране на конфликт)"),
        ("cp1251", "несоответствие размера кода операции и размера операнда"),
        ("cp1251", "Калі TRUE, нашчадак пашыраецца разам з продкам"),
        ("cp1252", "%H: sijoitus kohteeseen ”%s” viittaa"),
        ("cp1252", "Onverwachte tag ‘%s’ binnen ‘%s’"),
        ("cp1251", "Переключиться на рабочее место 10"),
        ("cp1251", "Показує максимальну кількість ключів в індексі."),
        ("koi8_r", "Влияет ли этот тег на цвет фона"),
        ("cp866", "Значение индикатора хода процесса"),
        ("cp852", "okcitánština (po 1500); provensálština"),
        ("gb18030", "  -A, --auth=METHOD         本地连接的默认认证方法"),
        ("cp1252", "l'oggetto mount non implementa l'azione «unmount» o «unmount_with_operation»"),
    ],
)
def test_a_line_in_another_encoding_is_never_sure(codec: str, text: str) -> None:
    decoded = decode(text.encode(codec))
    assert decoded.text == text or not decoded.encoding_sure


@pytest.mark.parametrize(
    ("codecs", "text"),
    [
        ("koi8-r cp866 iso8859-5 cp1251", "АКТ СВЕРКИ ВЗАИМНЫХ РАСЧЕТОВ МЕЖДУ ПРЕДПРИЯТИЯМИ ЗА ТРЕТИЙ КВАРТАЛ"),
        ("cp1253 iso8859-7 cp737", "ΑΝΑΚΟΙΝΩΣΗ ΠΡΟΣ ΤΟΥΣ ΚΑΤΟΙΚΟΥΣ ΤΟΥ ΔΗΜΟΥ ΓΙΑ ΤΗΝ ΚΑΘΑΡΙΟΤΗΤΑ"),
        ("cp1250 iso8859-2 cp852", "PŘÍLOHA K ŽÁDOSTI O UDĚLENÍ ŽIVNOSTENSKÉHO OPRÁVNĚNÍ"),
        ("cp1252 cp850 mac-roman", "DÉCLARATION DES DROITS DE L'HOMME À L'ÉGARD DES ÉTRANGERS"),
    ],
)
def test_capitals_are_guessed_as_small_letters_are(codecs: str, text: str) -> None:
    assert [decode(text.encode(codec)).text for codec in codecs.split()] == [text] * len(codecs.split())


@pytest.mark.parametrize("text", ["café", "naïve", "Ýmir", "déjà vu créée", "AÇÃO"])
def test_little_text_is_doubtful(read: Read, text: str) -> None:
    assert not decode(text.encode("cp1252")).encoding_sure


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a\x1a"])
def test_the_end_of_a_dos_file_is_no_part_of_it(read: Read, end: bytes) -> None:
    assert read(b"COPY A: B:" + end, PLAIN).text == "COPY A: B:"


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" * 9, b"a\0b" * 30, b"\0\1\2\3" * 9])
def test_what_is_text_in_no_encoding_is_refused(read: Read, content: bytes) -> None:
    with pytest.raises(Invalid):
        decode(content)


@pytest.mark.parametrize("kerning", [180, 250, 333])
def test_spaces_of_tex_are_kerning(read: Read, kerning: int) -> None:
    content = makers.pdf(f") Tj [(Every) -{kerning} (word) -{kerning} (stands)] TJ (")
    assert read(content, PDF).text == "Every word stands"


def test_a_hyphen_is_one_also_where_its_font_calls_it_soft(read: Read) -> None:
    words = makers.pdf("A well-known docu-) Tj 0 -14 Td (ment").replace(b"/Helvetica", b"/Helvetica/ToUnicode 6 0 R")
    ranges = b"1 begincodespacerange<00><ff>endcodespacerange 1 beginbfchar<2d><00ad>endbfchar"
    content = makers.grown_pdf(words, b"<</Length %d>>stream\n%s\nendstream" % (len(ranges), ranges))
    assert read(content, PDF).text.split() == ["A", "well-known", "document"]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("G) 0 (\\310) 390 (ottingen", "Göttingen"),  # as by TeX, before its letter, which is drawn back
        ("e) 390 (\\302) 0 (l\\302eve", "él´eve"),  # as others do it, and one that stands by itself
        ("na) 0 (\\310) 300 (\\365ve, gar) 0 (c) 420 (\\313) 0 (on", "naïve, garçon"),
        ("\\302\\302) 0 (", "´´"),
        ("cre) 390 (\\302) 0 (e) 390 (\\302) 0 (e", "créée"),
    ],
)
def test_an_accent_that_is_printed_over_a_letter_is_that_letters(read: Read, shown: str, text: str) -> None:
    assert read(makers.pdf(f"word ) Tj [({shown})] TJ ("), PDF).text == f"word {text}"


def test_an_accent_on_a_line_that_is_turned_stays_as_it_is(read: Read) -> None:
    turned = makers.pdf(") Tj 0 1 -1 0 40 300 Tm (don\\302t) Tj (")
    assert read(turned, PDF).text == "don´t"


@pytest.mark.parametrize(
    ("encoding", "codec", "text"),
    [
        ("KSC-EUC-H", "euc_kr", "작업을 기다린다"),
        ("90ms-RKSJ-H", "cp932", "仕事を待つ"),
        ("GBK-EUC-H", "gbk", "等待任务"),
        ("ETen-B5-H", "big5", "等待任務"),
    ],
)
def test_pdf_in_maps_of_east_asia(read: Read, encoding: str, codec: str, text: str) -> None:
    assert read(makers.mapped_pdf(text.encode(codec), encoding), PDF).text == text


def glyphs(text: str, shift: int) -> bytes:
    """The numbers that `text` has in a font which counts its glyphs from `shift` on."""
    return b"".join(max(ord(each) - shift, 3).to_bytes(2, "big") for each in text)


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("The queue keeps the work, and gives it to whoever asks.", 29),
        ("Очередь хранит работу, пока её не возьмут.", 0x300),
        ("Угловая шлифовальная машина", 0x1D6),
        ("LINEUP", 29),
        ("DESCRIPTION", 29),
        ("작업자는 작업을 빌리고 돌려준다.", 0xA800),
        ("仕事を待つ。そして終わる。", 0x4D00),
    ],
)
def test_glyphs_without_a_meaning_are_no_text(read: Read, text: str, shift: int) -> None:
    with pytest.raises(Invalid, match="which characters their glyphs stand for"):
        read(makers.mapped_pdf(glyphs(text, shift), "Identity-H"), PDF)


@pytest.mark.parametrize(
    "text",
    [
        "Words, and numbers (3.14); (what else?) stand in a well-known order.",
        "(3.14) 1,000 10:30 f(2) 2/3 (1)(2), 7.1(225), 7 & 8",
        "Ɖɔ nye ɖɔɖɔ",
        "Очередь хранит работу",
        "यह काम कतार में है",
        "งานรออยู่ในคิว",
        "작업을 3번 다시 시도한다。「キュー」は仕事を待つ",
        "المهام تنتظر فِي الطابور",
    ],
)
def test_glyphs_that_happen_to_have_the_numbers_of_their_characters_are_text(read: Read, text: str) -> None:
    words = read(makers.mapped_pdf(glyphs(text, 0), "Identity-H"), PDF).text
    assert sorted(words) == sorted(text)


@pytest.mark.parametrize(("glued", "text"), [("ةغلPythonنم", "من Python لغة"), ("הפשPythonןמ", "מן Python שפה")])
def test_words_of_both_directions_are_two_words(read: Read, glued: str, text: str) -> None:
    assert read(makers.mapped_pdf(glyphs(glued, 0), "Identity-H"), PDF).text == text


def test_a_page_of_such_glyphs_is_left_out_and_said(read: Read) -> None:
    unknown = makers.mapped_pdf(glyphs("Of this page nothing is known.", 29), "Identity-H")
    second = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 7 0 R/Resources<</Font<</F1 8 0 R>>>>>>"
    content = b"<</Length 43>>stream\nBT /F1 12 Tf 40 700 Td (This one says it.) Tj ET\nendstream"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    both = makers.grown_pdf(unknown.replace(b"/Count 1/Kids[", b"/Count 2/Kids[6 0 R "), second, content, font)
    result = read(both, PDF)
    assert (result.text, result.facts.unread_pages) == ("This one says it.", [2])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("/Subtype/FreeText", "Hello queue. A note"),
        ("/Subtype/Stamp", "Hello queue. A note"),
        ("/Subtype/Widget/FT/Tx/T(name)/V(A note)", "Hello queue. A note"),
        ("/Subtype/FreeText/F 2", "Hello queue."),  # hidden
    ],
)
def test_what_stands_in_a_form_and_in_notes_is_text(read: Read, kind: str, text: str) -> None:
    note = f"<</Type/Annot{kind}/F 4/Rect[40 600 240 620]/AP<</N 7 0 R>>/DA(/F1 12 Tf)>>".replace("/F 2/F 4", "/F 2")
    look = b"BT /F1 12 Tf 2 5 Td (A note) Tj ET"
    form = b"<</Subtype/Form/BBox[0 0 200 20]/Resources<</Font<</F1 5 0 R>>>>/Length %d>>stream\n%s\nendstream"
    made = makers.pdf().replace(b"/Type/Catalog", b"/Type/Catalog/AcroForm<</Fields[6 0 R]>>")
    made = made.replace(b"/Contents", b"/Annots[6 0 R]/Contents")
    assert read(makers.grown_pdf(made, note.encode(), form % (len(look), look)), PDF).text.split() == text.split()


def test_a_note_on_a_page_that_inherits_its_fonts_takes_no_word_from_it(read: Read) -> None:
    fonts = b"/Resources<</Font<</F1 5 0 R>>>>"
    made = makers.mapped_pdf("작업을 기다린다".encode("euc_kr"), "KSC-EUC-H").replace(fonts, b"/Annots[6 0 R]")
    note = b"<</Type/Annot/Subtype/FreeText/F 4/Rect[40 600 240 620]/AP<</N 7 0 R>>>>"
    look = b"<</Subtype/Form/BBox[0 0 200 20]/Length 14>>stream\n0 0 9 9 re f  \nendstream"
    inherited = made.replace(b"/Type/Pages", b"/Type/Pages" + fonts)
    assert read(makers.grown_pdf(inherited, note, look), PDF).text == "작업을 기다린다"


def test_a_broken_page_is_left_out_and_said(read: Read) -> None:
    broken = makers.pdf(pages=3).replace(b"/Kids[3 0 R 3 0 R", b"/Kids[3 0 R 9 0 R")
    result = read(broken, PDF)
    assert result.facts.unread_pages == [2]
    assert result.text == "Hello queue.\n\nHello queue."


@pytest.mark.parametrize("number", [1, 3])
def test_other_broken_pages(read: Read, number: int) -> None:
    kids = [b"3 0 R", b"3 0 R", b"3 0 R"]
    kids[number - 1] = b"9 0 R"
    broken = makers.pdf(pages=3).replace(b"/Kids[3 0 R 3 0 R 3 0 R", b"/Kids[" + b" ".join(kids))
    assert read(broken, PDF).facts.unread_pages == [number]
