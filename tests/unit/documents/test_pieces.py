"""Large documents are read piece by piece, and say what they say as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from background.documents.extraction import markdown
from background.documents.extraction.extract import tidy
from background.documents.extraction.html import read_markup

PROJECT = Path(__file__).resolve().parents[3]
SOURCES = [
    "text ^[inline] [^1] [r] [a][r]",
    "[^1]: note [^2] [r]\n\n    more\n\n    - item",
    "[^2]: two\n  lazy [^1]",
    "[r]: http://x.y 'title'",
    "[r]:\nhttp://x\n'title\nof lines'",
    "- a\n- b",
    "- a\n\n- b\n\n  [^1]: inside",
    "1. x\n   - y\n\n     z",
    "- [x] task",
    "> quoted\n> - item",
    "> [^3]: quoted [^1]",
    "[^3] lazy",
    "```\ncode\n\n# more\n```",
    "```\nopen",
    "    indented\n\n    code",
    "# Heading",
    "#",
    "Title\n===",
    "---",
    "---\nfront: matter\n---",
    "a | b\n--|--\n1 | 2",
    "![image](x) ~~struck~~  \nline",
    "&#1;",
    "plain\n\n<i>",
]
TAGS = ["a", "b", "br", "button", "caption", "dd", "div", "details", "form", "h2", "hr", "html", "li", "p", "pre", "rt"]
TAGS += ["ruby", "script", "select", "style", "svg", "table", "td", "template", "textarea", "title", "tr", "ul"]
HTML = ["<!-- c -->", "<!-- open", "-->", "<p", "<td class='", "<table><tr><td>", "</table>"]
HTML += [html for tag in TAGS for html in (f"<{tag}>", f"</{tag}>", f"<{tag}>x")]


def whole(source: str) -> tuple[str | None, str]:
    """What is read where markdown-it has all of the source, and the HTML reader all that comes out."""
    rules = ("normalize", "block", "inline", "footnote_tail", "github-tasklists", "text_join")
    title, text = read_markup(markdown._parser(*rules).render(source), "h1, h2, h3, h4, h5, h6")
    return title, tidy(text)


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(st.sampled_from(SOURCES) | st.sampled_from(HTML), max_size=12),
    between=st.sampled_from(["\n", "\n\n"]),
)
def test_markdown_by_pieces(parts: list[str], between: str) -> None:
    source = between.join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "PIECE", 0)  # cut wherever it may be
        reading = markdown.read_markdown(source.encode())
    assert (reading.title, tidy(reading.text)) == whole(source)


def test_definitions_may_stand_far_from_what_refers_to_them() -> None:
    filling = "\n\n".join(["Some *words* here."] * 10_000)
    source = f"First[^n] [link][r].\n\n{filling}\n\n[^n]: The note.\n\n[r]: http://x.y\n\n{filling}\n\nLast[^n]."
    reading = markdown.read_markdown(source.encode())
    assert reading.text.startswith("\n\nFirst link.\n\nSome words here.")
    assert tidy(reading.text).endswith("Last.\n\nThe note.")
    assert (reading.title, tidy(reading.text)) == whole(source)


def test_an_element_that_is_open_for_long_is_read_as_one() -> None:
    filling = "\n\n".join(["Some *words* here."] * 10_000)
    source = f"<table><tr><td>1<td>\n\n{filling}\n\n</table>\n\n# Title\n\n{filling}"
    reading = markdown.read_markdown(source.encode())
    assert (reading.title, tidy(reading.text)) == whole(source)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is told by /proc")
@pytest.mark.parametrize(
    ("kind", "start", "end", "most"),
    [("MARKDOWN", "", "\n\n", 90), ("HTML", "<p>", "</p>\n", 110)],
)
def test_memory(tmp_path: Path, kind: str, start: str, end: str, most: int) -> None:
    """Megabytes for four of a document, with the 40 of Python and the libraries."""
    path = tmp_path / "content"
    part = start + "Some words of a paragraph, and some more. " * 4 + end
    path.write_text(part * (4 * 1024 * 1024 // len(part)))
    code = (
        "import re, sys\nfrom pathlib import Path\n"
        "from background.documents import naming\nfrom background.documents.extraction.extract import extract\n"
        "extract(Path(sys.argv[1]), getattr(naming, sys.argv[2]))\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    command = [sys.executable, "-c", code, str(path), kind]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < most
