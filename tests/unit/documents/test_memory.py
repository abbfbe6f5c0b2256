"""What reading and analyzing a document takes grows no faster than the document, whatever it is made of."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.documents import makers

PROJECT = Path(__file__).resolve().parents[3]
SIZE = 4 * 1024 * 1024
WORDS = "Some words of a paragraph, and some more. " * 4
PARTS = {
    "paragraphs.md": f"{WORDS}\n\n",
    "paragraph.md": WORDS,
    "list.md": f"- {WORDS}\n",
    "table.md": "one two | three four\n--|--\n" + "one two | three four\n" * 40_000,
    "emphasis.md": "Some *words* of a **paragraph**, `code` and [link](http://x.y).\n",
    "words.md": "word\n\n",
    "items.md": "- x\n",
    "references.md": "[x]\n\n" * 800_000 + "[X]: u\n\n",
    "one word.txt": "x",
    "one word with apostrophes.txt": "a'",
    "one word with accents.txt": "a\u0301",
    "sentences.txt": "A.\n\n",
    "white space.txt": "a" + "\n" * 99_999,
    "soft hyphens.txt": "a\u00ad",
    "one block of emphasis.md": "*a*",
    "one block of links.md": "[a](b) ",
    "one block of code.md": "`a` ",
    "one block of brackets.md": "[a ",
    "one block of lines.md": "a\n",
    "one block of cells.md": "a | b\n--|--\n" + "c | d\n" * (SIZE // 6 - 9),
    "one list.md": " - x\n",
    "one quote.md": "> a\n",
    "paragraphs.html": f"<p>{WORDS}</p>\n",
    "words.html": "<p>a</p>",
    "inline.html": "<p>Some <b>words</b> of a <i>paragraph</i>, <a href='http://x.y'>link</a>.</p>\n",
    "elements.html": "<b>a</b>",
    "lines.html": "a<br>",
    "cells.html": "<tr><td>one<td>two",
    "paragraphs.docx": "<w:p><w:r><w:t>a</w:t></w:r></w:p>",
    "empty.docx": "<w:p/>",
    "breaks.docx": "<w:br/>",
}
CODE = """
import re, sys
from pathlib import Path
from background.documents.analysis import analyze
from background.documents.extraction.extract import extract
from background.documents.naming import media_type_of
analyze(extract(Path(sys.argv[1]), media_type_of(sys.argv[1])).text, title=None)
print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is told by /proc")
@pytest.mark.parametrize("name", PARTS)
def test_memory(tmp_path: Path, name: str) -> None:
    """Megabytes for four of a document, with the 60 of Python and the libraries."""
    path = tmp_path / name
    content = (PARTS[name] * (SIZE // len(PARTS[name].encode()))).encode()
    if name.endswith(".docx"):
        main = content  # what takes little of a part is not seen beside the libraries
        content = makers.edited_word(lambda xml: xml.replace(b"<w:body>", b"<w:body>" + main * 2))
    path.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", CODE, path], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < {".docx": 100, ".html": 120}.get(path.suffix, 190)
