"""Markdown to readable text, by way of HTML."""

from html import escape

from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from background.documents.extraction import Reading
from background.documents.extraction.encoding import decode
from background.documents.extraction.html import read_markup


def read_markdown(data: bytes) -> Reading:
    """CommonMark with tables, strikethrough, task lists, footnotes and front matter, which is left out.

    The title is the first heading; lines stay lines, and an image is its description.
    """
    source, encoding, sure = decode(data)
    # What is nested deeper than the parser can follow is refused, not left out.
    options = {"html": True, "breaks": True, "maxNesting": 100_000}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    parser.use(footnote_plugin).use(front_matter_plugin).use(tasklists_plugin)
    parser.add_render_rule(
        "image",
        lambda self, tokens, at, options, env: escape(self.renderInlineAsText(tokens[at].children, options, env)),
    )
    for mark in ("footnote_ref", "footnote_anchor"):
        parser.add_render_rule(mark, lambda *_: "")
    reading = read_markup(parser.render(source), "h1, h2, h3, h4, h5, h6")
    return reading._replace(encoding=encoding, encoding_sure=sure)
