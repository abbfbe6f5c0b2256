"""Markdown to readable text: the markup goes, the words stay."""

import html
import re
from collections.abc import Iterator
from typing import Final

from background.documents.formats import Reading

# Every pattern is linear: a class that stops at the next opening delimiter instead of `.*?`.
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)$")
_HEADING: Final = re.compile(r" {0,3}#{1,6}(?:[ \t]+|$)(.*)$")
_HEADING_END: Final = re.compile(r"(?:^|[ \t])#+$")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-+)$")
_RULE: Final = re.compile(r" {0,3}(?:\*[ \t]*){3,}$| {0,3}(?:-[ \t]*){3,}$| {0,3}(?:_[ \t]*){3,}$")
_PREFIX: Final = re.compile(r"[ \t]*(?:>[ \t]?|[-*+][ \t]+(?:\[[ xX]\][ \t]+)?|\d{1,9}[.)][ \t]+)")
_TABLE_RULE: Final = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$")
_COLUMN: Final = re.compile(r"(?<!\\)\|")
_DEFINITION: Final = re.compile(r" {0,3}\[[^\[\]]+\]:[ \t]*\S")
_MARKUP: Final = re.compile(r"[\\`*_~\[<&]")
_CODE: Final = re.compile(r"(`{1,2})([^`\n]+)\1")
_ESCAPE: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_TARGET: Final = r"(?:\((?:[^()\n]|\([^()\n]*\))*\)|\[[^\[\]\n]*\])"
_IMAGE: Final = re.compile(rf"!\[([^\[\]]*)\]{_TARGET}")
_LINK: Final = re.compile(rf"\[([^\[\]]+)\]{_TARGET}")
_AUTOLINK: Final = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[^\s<>@]{1,64}@[^\s<>@]+)>")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
_EMPHASIS: Final = (
    re.compile(r"\*([^\s*](?:[^*\n]*[^\s*])?)\*"),
    re.compile(r"(?<![^\W_])_([^\s_](?:[^_\n]*[^\s_])?)_(?![^\W_])"),
    re.compile(r"~~([^~\n]+)~~"),
)
_PRIVATE: Final = 0xF0000  # escaped characters hide in a private plane while the markup goes
_HIDDEN: Final = re.compile("[\U000f0000-\U000f007f]")


def read_markdown(source: str) -> Reading:
    """The title is the first heading; code keeps its lines; a table row is a line of tab-separated cells."""
    lines = _without_comments(source.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    blocks: list[str] = []
    title: str | None = None
    for is_heading, line in _lines(_without_front_matter(lines)):
        blocks.append(line)
        if is_heading and title is None and line.strip():
            title = line.strip()
    return Reading(title, "\n".join(blocks))


def _without_front_matter(lines: list[str]) -> list[str]:
    if lines and lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:200], start=1):
            if line.rstrip() in ("---", "..."):
                return lines[number + 1 :]
    return lines


def _without_comments(source: str) -> str:
    parts, at = [], 0
    while (start := source.find("<!--", at)) >= 0 and (end := source.find("-->", start)) >= 0:
        parts.append(source[at:start])
        at = end + 3
    return "".join([*parts, source[at:]])


def _lines(lines: list[str]) -> Iterator[tuple[bool, str]]:
    """Each line as text, and whether it is a heading."""
    fence = ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line) if "`" in line or "~" in line else None
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
                yield False, ""
            else:
                yield False, line
        elif mark:
            fence = mark[1]
            yield False, ""
        elif not line.strip():
            yield False, ""
        else:
            following = lines[number + 1] if number + 1 < len(lines) else ""
            yield from _prose(line.rstrip(), following.rstrip())


def _prose(line: str, following: str) -> Iterator[tuple[bool, str]]:
    heading = _HEADING.match(line)
    if heading:
        yield from ((False, ""), (True, inline(_HEADING_END.sub("", heading[1].rstrip()))), (False, ""))
    elif _RULE.match(line) or _UNDERLINE.match(line) or _DEFINITION.match(line):
        yield False, ""
    elif "|" in line and _TABLE_RULE.match(line):
        return
    else:
        underlined = bool(_UNDERLINE.match(following) and not _PREFIX.match(line))
        yield underlined, inline(_cells(_unprefixed(line)))


def _unprefixed(line: str) -> str:
    """`line` without quote marks, bullets and numbers (at most a few levels of them)."""
    for _ in range(8):
        prefix = _PREFIX.match(line)
        if prefix is None:
            break
        line = line[prefix.end() :]
    return line.strip()


def _cells(line: str) -> str:
    if not line.startswith("|"):
        return line
    return "\t".join(cell.strip() for cell in _COLUMN.split(line.strip("|")))


def inline(text: str) -> str:
    """`text` without emphasis, links, code marks and tags; what stands in `code` stays as it is."""
    if not _MARKUP.search(text):
        return text
    parts = _CODE.split(text)
    for index in range(0, len(parts), 3):
        parts[index] = _plain(parts[index])
    return "".join(part for index, part in enumerate(parts) if index % 3 != 1)


def _plain(text: str) -> str:
    text = _ESCAPE.sub(lambda match: chr(_PRIVATE + ord(match[1])), text)
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    text = _TAG.sub("", _AUTOLINK.sub(r"\1", text))
    for _ in range(3):
        for pattern in _EMPHASIS:
            text = pattern.sub(r"\1", text)
    return _HIDDEN.sub(lambda match: chr(ord(match[0]) - _PRIVATE), html.unescape(text))
