"""Whatever the API says as a code the page has words for, in each of its languages."""

import re

import pytest

from background.canvas.checks import TOO_LARGE
from background.canvas.facts import Code
from background.canvas.traps import SAID, TrapCode
from background.jobs.states import WAITING_SENTENCES, WaitingCode
from tests.support import ROOT

WORDS = ROOT / "background" / "web" / "static" / "js"
SOURCES = [path for path in (ROOT / "background").glob("**/*.py") if "migrations" not in path.parts]


def keys(language: str) -> set[str]:
    """The keys of a language's words for facts."""
    text = (WORDS / f"{language}-facts.js").read_text()
    return set(re.findall(r'^  "([^"]+)":', text, re.MULTILINE))


def in_sources(pattern: str) -> set[str]:
    """All that a pattern finds in the application."""
    return {found for path in SOURCES for found in re.findall(pattern, path.read_text())}


KINDS_OF_FAULT = in_sources(r'FieldError\([^"]*?f?"[^"]*", "([a-z_]+)"') | in_sources(
    r'FieldError\([^"]*"[^"]*"\), message, "([a-z_]+)"'
)
REFUSALS = in_sources(r'(?<![\w_])code="([a-z_]+)"')
FAULTS = {*KINDS_OF_FAULT, *in_sources(r'PydanticCustomError\("([a-z_]+)"')}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_words_for_every_code(language: str) -> None:
    known = keys(language)
    wanted = {f"reason.{code}" for code in Code}
    wanted |= {f"waiting.{code}" for code in WaitingCode}
    wanted |= {f"warning.{code}" for code in TrapCode}
    wanted |= {f"refusal.{code}" for code in REFUSALS}
    wanted |= {f"fault.{code}" for code in FAULTS | set(TOO_LARGE)}
    assert wanted - known == set()


def test_codes_are_found_in_the_sources() -> None:
    assert {"run_ended", "job_not_retryable", "broker_down"} <= REFUSALS
    assert {"task", "link_error", "group_callback", "canvas_depth"} <= FAULTS


def test_every_code_has_its_english_here() -> None:
    assert set(SAID) == set(TrapCode)
    assert set(WAITING_SENTENCES) == set(WaitingCode)
