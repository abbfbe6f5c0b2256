"""Whatever the API says as a code the page has words for, in each of its languages."""

import re

import pytest

from background.canvas.checks import TOO_LARGE
from background.canvas.reasons import Code
from background.canvas.spec import TaskSpec
from background.canvas.warnings import SAID, WarningCode
from background.jobs.causes import SENTENCES as CAUSES
from background.jobs.causes import CauseCode
from background.jobs.waiting import SENTENCES as WAITING
from background.jobs.waiting import WaitingCode
from background.pipelines import demo, document
from tests.support import ROOT

WORDS = ROOT / "background" / "web" / "static" / "js" / "words"
SOURCES = [path for path in (ROOT / "background").glob("**/*.py") if "migrations" not in path.parts]


def keys(language: str) -> set[str]:
    """The keys of a language's words for facts, and of those of the builder."""
    text = "".join((WORDS / f"{language}-{part}.js").read_text() for part in ("facts", "advice", "runs"))
    return set(re.findall(r'^  "([^"]+)":', text, re.MULTILINE))


def in_sources(pattern: str) -> set[str]:
    """All that a pattern finds in the application."""
    return {found for path in SOURCES for found in re.findall(pattern, path.read_text())}


KINDS_OF_FAULT = in_sources(r'FieldError\([^"]*?f?"[^"]*", "([a-z_]+)"') | in_sources(
    r'FieldError\([^"]*"[^"]*"\), message, "([a-z_]+)"'
)
REFUSALS = in_sources(r'(?<![\w_])code="([a-z_]+)"')
FAULTS = {*KINDS_OF_FAULT, *in_sources(r'(?:PydanticCustomError\(|Unusable\(.*, )"([a-z_]+)"')}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_words_for_every_code(language: str) -> None:
    known = keys(language)
    wanted = {f"reason.{code}" for code in Code}
    wanted |= {f"waiting.{code}" for code in WaitingCode}
    wanted |= {f"cause.{code}" for code in CauseCode}
    wanted |= {f"warning.{code}" for code in WarningCode}
    wanted |= {f"advice.{code}" for code in Code}
    wanted |= {f"warning.advice.{code}" for code in WarningCode}
    wanted |= {f"waiting.advice.{code}" for code in WaitingCode}
    wanted |= {f"refusal.{code}" for code in REFUSALS}
    wanted |= {f"fault.{code}" for code in FAULTS | set(TOO_LARGE)}
    assert wanted - known == set()


def test_what_comes_with_the_application_is_described_as_it_describes_itself() -> None:
    text = (WORDS / "en-facts.js").read_text()
    described = dict(re.findall(r'^  "pipeline\.is\.([^"]+)": "([^"]+)",', text, re.MULTILINE))
    assert described == {each.name: each.description for each in (demo, document)}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_words_for_every_option_of_a_task(language: str) -> None:
    apart = {"task", "args", "immutable", "link", "link_error"}
    assert {f"canvas.option.{name}" for name in TaskSpec.model_fields.keys() - apart} - keys(language) == set()


def test_every_reason_leads_to_a_page_of_the_documentation() -> None:
    text = (WORDS.parent / "base" / "advice.js").read_text()
    table = text.partition("const READ = {")[2].partition("};")[0]
    assert set(re.findall(r"^  (\w+):", table, re.MULTILINE)) == set(Code)


def test_codes_are_found_in_the_sources() -> None:
    assert {"run_ended", "job_not_retryable", "broker_down"} <= REFUSALS
    assert {"cron_never", "task", "link_error", "group_callback", "canvas_depth"} <= FAULTS


def test_every_code_has_its_english_here() -> None:
    assert set(SAID) == set(WarningCode)
    assert set(WAITING) == set(WaitingCode)
    assert set(CAUSES) == set(CauseCode)
