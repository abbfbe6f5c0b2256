"""The page's files: both languages say the same things, every word that is asked for is there, and it stays small."""

import gzip
import re

import pytest

from background.web.router import PACKED, STATIC

SCRIPTS = {path.relative_to(STATIC / "js").as_posix(): path.read_text() for path in (STATIC / "js").rglob("*.js")}
WORDS = {
    language: "".join(text for name, text in sorted(SCRIPTS.items()) if re.match(rf"words/{language}\b", name))
    for language in ("en", "ko")
}
KEY = re.compile(r'^  "?([\w.-]+)"?:\s', re.MULTILINE)
NAME = re.compile(r"\{(\w+)\}")


def words(language: str) -> dict[str, str]:
    """The messages of a language as they are written, by key."""
    pieces = KEY.split(WORDS[language])
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def test_both_languages_have_the_same_keys() -> None:
    english, korean = (KEY.findall(WORDS[language]) for language in ("en", "ko"))
    assert len(english) == len(set(english)) > 200
    assert sorted(english) == sorted(korean)


def test_both_languages_are_told_the_same_values() -> None:
    english, korean = words("en"), words("ko")
    differing = [key for key in korean if set(NAME.findall(korean[key])) - set(NAME.findall(english[key]))]
    assert not differing


@pytest.mark.parametrize("name", sorted(name for name in SCRIPTS if not name.startswith("words/")))
def test_every_word_that_is_asked_for_is_there(name: str) -> None:
    asked = re.findall(r'\bt\(\s*"([\w.]+)"', SCRIPTS[name])
    assert not set(asked) - set(words("en"))


def test_every_term_of_the_glossary_is_found_and_explained() -> None:
    table = SCRIPTS["page/terms.js"].partition("const READ = {")[2].partition("};")[0]
    terms = re.findall(r"^  (\w+):", table, re.MULTILINE)
    assert len(terms) >= 16
    wanted = {f"term.{name}{part}" for name in terms for part in ("", ".in", ".is")}
    assert wanted == {key for key in words("en") if key.startswith("term.")} - {"term.more"}


def test_the_page_is_small() -> None:
    """What comes before the first row; what only one view needs comes after it."""
    html = (PACKED / "index.html").read_text()
    names = ["index.html", *re.findall(r'(?:href|src)="([\w-]+\.(?:js|css))"', html)]
    assert len(names) > 3
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in PACKED.iterdir()}
    assert sum(sizes[name] for name in names) < 100 * 1024
    assert max(sizes.values()) < 100 * 1024


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_data_never_becomes_markup(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", SCRIPTS[name])
