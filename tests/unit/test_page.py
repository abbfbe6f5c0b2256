"""The page's files: both languages say the same things, every word that is asked for is there, and it stays small."""

import gzip
import re

import pytest

from background.web.router import STATIC

SCRIPTS = {path.relative_to(STATIC / "js").as_posix(): path.read_text() for path in (STATIC / "js").rglob("*.js")}
PARTS = ("", "-runs", "-facts")
WORDS = {language: "".join(SCRIPTS[f"{language}{part}.js"] for part in PARTS) for language in ("en", "ko")}
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


@pytest.mark.parametrize("name", sorted(name for name in SCRIPTS if not name.startswith(("en", "ko"))))
def test_every_word_that_is_asked_for_is_there(name: str) -> None:
    asked = re.findall(r'\bt\(\s*"([\w.]+)"', SCRIPTS[name])
    assert not set(asked) - set(words("en"))


def test_the_page_is_small() -> None:
    later = re.compile(r"js/(graph|canvas|views)/|css/(graph|canvas)\.css")
    sizes = {
        path.relative_to(STATIC).as_posix(): len(gzip.compress(path.read_bytes()))
        for path in STATIC.rglob("*")
        if path.is_file() and STATIC / "vendor" not in path.parents
    }
    first = [size for name, size in sizes.items() if not later.match(name) or name.startswith("js/views/jobs")]
    assert sum(first) < 90 * 1024
    assert sum(sizes.values()) < 160 * 1024


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_data_never_becomes_markup(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", SCRIPTS[name])
