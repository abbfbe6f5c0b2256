"""Markdown to readable text, by way of the HTML that pulldown-cmark makes of it."""

import re
from typing import Final

import pyromark

from background.documents.extraction import Reading
from background.documents.extraction.encoding import decode
from background.documents.extraction.html import read_markup

_OPTIONS: Final = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_YAML_STYLE_METADATA_BLOCKS
)
_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")
_NOTE_NUMBER: Final = re.compile(r'<sup class="footnote-(?:reference|definition-label)">.*?</sup>')
_IMAGE: Final = re.compile(r'<img src="[^"]*" alt="([^"]*)"(?: title="[^"]*")? />')


def read_markdown(data: bytes) -> Reading:
    """CommonMark with tables, strikethrough, task lists, footnotes and front matter, which is left out.

    The title is the first heading; lines stay lines, and an image is its description.
    """
    read = decode(data)
    html = pyromark.html(read.text, options=_OPTIONS)
    titles, text = read_markup(_IMAGE.sub(r"\1", _NOTE_NUMBER.sub("", html)), _HEADINGS)
    return read._replace(title=next(iter(titles.values()), None), text=text)
