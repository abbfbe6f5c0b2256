"""DOCX to readable text."""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from lxml import etree

from background.base.errors import Invalid
from background.documents.extraction import Reading
from background.documents.extraction.layout import BLOCK, CELL, LINE, SPACE, Layout
from background.documents.naming import refused

MAX_XML: Final = 60 * 1000 * 1000  # bytes of all parts that are read; each element takes time
MAX_TREE: Final = 10 * 1000 * 1000  # bytes of a part that is read as a tree, which takes up to thirty times as much
MAX_DEPTH: Final = 256  # elements in one another; libxml2's own limit holds for trees alone
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what an encrypted DOCX or an old DOC begins with
_TITLE: Final = "{http://purl.org/dc/elements/1.1/}title"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# Word's "strict" documents have namespaces of their own for the same elements.
_WORD: Final = re.compile(r"\{http://[\w./]+/wordprocessingml/(?:2006/)?main\}")
_MATH: Final = re.compile(r"\{http://[\w./]+/officeDocument/(?:2006/)?math\}")

_SKIPPED: Final = frozenset({"w:del", "w:moveFrom", "w:pPrChange", "w:rPrChange", "w:rt", "w:sectPr", "w:tabs"})
_BORDERS: Final = {"w:p": BLOCK, "w:tbl": BLOCK, "w:tr": LINE, "w:tc": CELL, "m:fName": SPACE}
_SIGNS: Final = {
    "w:tab": "\t",
    "w:ptab": "\t",
    "w:noBreakHyphen": "-",
}
# What stands before a part of an equation that is not empty.
_BEFORE: Final = {"m:den": "/", "m:sup": "^", "m:sub": "_", "m:lim": "_"}
# What stands before the first part of an equation, between two, and after the last, where it does not say so itself.
_AROUND: Final = {
    "m:d": ("(", "|", ")"),
    "m:nary": ("\u222b", "", ""),
    "m:rad": ("\u221a", "", ""),
    "m:acc": ("", "", "\u0302"),
    "m:groupChr": ("", "", "\u23df"),
    "m:eqArr": ("", "\n", ""),
    "m:m": ("", "\n", ""),
    "m:mr": ("", "\t", ""),
}
_PARTS: Final = ("m:e", "m:mr", "m:sub", "m:sup")  # the degree of a root stands before it
_SAID: Final = {"m:begChr": 0, "m:sepChr": 1, "m:endChr": 2}
# The font Symbol, from 0x20 on; what is no character (U+FFFD) is shown as that.
_SYMBOLS: Final = (
    "\xa0!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_\u203eαβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"  # noqa: RUF001
    + "\ufffd" * 33
    + "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑"  # noqa: RUF001
    + "⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\ufffd〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
)
# Word writes their numbers, or those from 0xF020 on, also as text in that font. Letters beyond ASCII are in another.
_SYMBOLS_OF: Final = {
    base + at: sign for base, most in ((0x20, 0x5F), (0xF020, 0xE0)) for at, sign in enumerate(_SYMBOLS[:most])
}


def read_docx(data: bytes) -> Reading:
    """Paragraphs, tables and text boxes in order, then footnotes and endnotes; what was deleted or moved away is not
    read, nor what only says how something is pronounced.

    The title is that of the properties, else the first heading. Only parts with words are read, so that neither
    pictures nor what kind of document it is (a template, one with macros) matter. Entities are never expanded, and a
    text that declares a document type, which OOXML does not allow, is refused. So is one with parts of another format.
    """
    if data.startswith(_OLE):
        message = "The file is encrypted or an old DOC, not a DOCX document."
        raise refused(message, code="document_encrypted", why="or_old")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        package = _Package(file)
        (main,) = package.related("", "officeDocument")
        properties = map(package.tree, package.related("", "core-properties"))
        titles = ((tree.findtext(_TITLE) or "").strip() for tree in properties)
        title = next(filter(None, titles), None)
        styles = () if title else map(package.tree, package.related(main, "styles"))
        layout = Layout()
        body = _Words(layout, {style for tree in styles for style in _headings(tree)})
        package.parse(main, body)
        for kind in ("footnotes", "endnotes"):
            for notes in package.related(main, kind):
                package.parse(notes, _Words(layout))
    return Reading(title or body.heading, layout.text())


class _Package:
    """The parts of a DOCX, by names without a slash at their begin, and in any case."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._parts = {part.filename.replace("\\", "/").lstrip("/").casefold(): part for part in file.infolist()}
        self._size = 0

    def parse(self, part: str, target: Any = None) -> Any:
        """Tell `target` what stands in a part that has to be there; without one, its tree.

        Raises `Invalid` where it is encrypted, or all that was read is too much; what lies about its size is cut off.
        """
        found = self._parts[part.casefold()]
        if found.flag_bits & 1:
            raise refused("The DOCX document is encrypted.", code="document_encrypted")
        self._size += found.file_size
        if self._size > MAX_XML:
            raise _too_large()
        parser = etree.XMLParser(target=target, resolve_entities=False)
        with self._file.open(found) as content:
            return etree.parse(content, parser)

    def tree(self, part: str) -> Any:
        """What stands in a small part that has to be there."""
        if self._parts[part.casefold()].file_size > MAX_TREE:
            raise _too_large()
        return self.parse(part).getroot()

    def related(self, part: str, kind: str) -> Iterator[str]:
        """What `part` (the package itself, where it is empty) says is its `kind`."""
        folder, name = posixpath.split(part)
        relations = f"{folder}/_rels/{name}.rels".lstrip("/")
        found = self.tree(relations).iterfind("{*}Relationship") if relations.casefold() in self._parts else ()
        for each in found:
            if each.get("Type", "").endswith(f"/{kind}") and each.get("TargetMode") != "External":
                yield posixpath.normpath(posixpath.join("/", folder, each.get("Target"))).lstrip("/")


@dataclass
class _Around:
    """What stands around the parts of an element of an equation, which is open at that depth."""

    depth: int
    signs: list[str]
    begun: bool = False


def _too_large() -> Invalid:
    return refused("The DOCX document is too large when inflated.", code="document_too_much")


class _Words:
    """What is told of a part's XML, laid out. A paragraph in a cell is set off by a space, a drop cap from its word by
    nothing."""

    def __init__(self, layout: Layout, headings: Set[str] = frozenset()) -> None:
        self.heading: str | None = None  # the first paragraph with words in one of the styles `headings`
        self._layout = layout
        self._headings = headings
        self._parents: list[int] = []  # how many texts there were before what is open
        self._texts = self._cells = 0
        self._skipped = 0  # how much is open of what is not read
        self._copied = 0  # how deep the paragraph is that may be the heading
        self._is_text = self._is_drop_cap = self._is_symbols = False
        self._around: list[_Around] = []  # what is open of an equation, from the outermost
        self._sign = ""  # stands before what follows, if anything does before its element ends

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._parents) == MAX_DEPTH:
            raise refused("The elements of the DOCX document are nested too deeply.", code="document_unreadable")
        tag = _tag(name)
        if self._skipped or self._skips(tag, attributes):
            self._skipped += 1
        else:
            self._begin(tag, attributes)
        self._is_text = tag in ("w:t", "m:t")
        self._parents.append(self._texts)
        self._texts += self._is_text

    def end(self, name: str) -> None:
        tag = _tag(name)
        self._parents.pop()
        self._is_text = False
        if self._skipped:
            self._skipped -= 1
        elif tag in _BORDERS:
            self._cells -= tag == "w:tc"
            self._border(tag)
        elif tag.startswith("m:"):
            self._end_in_equation(tag)
        if self._layout.copy is not None and len(self._parents) == self._copied:
            self.heading = "".join(self._layout.copy).strip() or None
            self._layout.copy = None

    def data(self, text: str) -> None:
        if self._is_text and not self._skipped:
            self._write(text.translate(_SYMBOLS_OF) if self._is_symbols else text)

    def doctype(self, *_: object) -> None:
        raise refused("The DOCX document declares a document type.", code="document_unreadable")

    def close(self) -> None:
        pass

    def _skips(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag == _FALLBACK:  # of something that has words
            return bool(self._parents) and self._texts > self._parents[-1]
        if len(self._parents) == 1:  # of notes, the lines that separate them from the text, and that they go on
            return _attribute(attributes, "type") not in ("", "normal")
        return tag in _SKIPPED

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in _BORDERS:
            self._cells += tag == "w:tc"
            self._border(tag)
            self._is_drop_cap &= tag != "w:p"
        elif tag == "w:altChunk":
            message = "The DOCX document has parts of another format in it (altChunk), which are not read."
            raise refused(message, code="document_unreadable", why="parts")
        elif tag == "w:framePr":
            self._is_drop_cap = _attribute(attributes, "dropCap") not in ("", "none")
        elif tag == "w:pStyle":
            self._copy(_attribute(attributes, "val"))
        elif tag in ("w:r", "m:r", "w:rFonts"):  # a run, and perhaps its fonts
            self._is_symbols = "Symbol" in (_attribute(attributes, "ascii"), _attribute(attributes, "hAnsi"))
        elif tag in ("w:br", "w:cr"):
            self._layout.line_break()
        elif tag == "w:sym" or tag in _SIGNS:
            self._write(_SIGNS.get(tag) or _symbol(attributes), as_it_is=True)
        elif tag.startswith("m:"):
            self._begin_in_equation(tag, attributes)

    def _border(self, tag: str) -> None:
        if tag != "w:p" or not self._is_drop_cap:
            self._layout.border(SPACE if self._cells and tag == "w:p" else _BORDERS[tag])

    def _begin_in_equation(self, tag: str, attributes: Mapping[str, str]) -> None:
        around = self._around[-1] if self._around else None
        if around and tag in _PARTS and len(self._parents) == around.depth + 1:
            self._write(around.signs[around.begun], as_it_is=True)
            around.begun = True
        elif around and (tag in _SAID or tag == "m:chr"):
            place = _SAID.get(tag, 0 if around.signs[0] else 2)
            around.signs[place] = _attribute(attributes, "val")[:1]
        if tag in _AROUND:
            self._around.append(_Around(len(self._parents), [*_AROUND[tag]]))
        self._sign += _BEFORE.get(tag, "")

    def _end_in_equation(self, tag: str) -> None:
        if tag in _AROUND:
            self._write(self._around.pop().signs[2], as_it_is=True)
        self._sign = self._sign.removesuffix(_BEFORE.get(tag, ""))

    def _write(self, text: str, *, as_it_is: bool = False) -> None:
        if text and self._sign:
            self._layout.write(self._sign, as_it_is=True)
            self._sign = ""
        self._layout.write(text, as_it_is=as_it_is)

    def _copy(self, style: str) -> None:
        """What follows may be the heading; its style stands in the properties of a paragraph."""
        if style in self._headings and not self.heading and self._layout.copy is None:
            self._layout.copy = []
            self._copied = len(self._parents) - 2


@lru_cache(256)
def _tag(name: str) -> str:
    """A name with the prefix that everybody uses."""
    return _MATH.sub("m:", _WORD.sub("w:", name))


def _attribute(attributes: Mapping[str, str], name: str) -> str:
    """The one with that local name, of whatever namespace."""
    return next((value for key, value in attributes.items() if key.rpartition("}")[2] == name), "")


def _symbol(attributes: Mapping[str, str]) -> str:
    code = int(_attribute(attributes, "char") or "0", 16) & 0xFF
    known = _attribute(attributes, "font") == "Symbol" and 0x20 <= code < 0x20 + len(_SYMBOLS)
    return _SYMBOLS[code - 0x20] if known else "\ufffd"


def _headings(styles: Any) -> Iterator[str]:
    """The ids of those that are named Title or Heading; an id is in any language."""
    for name in styles.iterfind("{*}style/{*}name"):
        if _attribute(name.attrib, "val").lower().startswith(("title", "heading")):
            yield _attribute(name.getparent().attrib, "styleId")
