"""The pages for one's own product show what runs elsewhere: the template, and the processes."""

import configparser

import pytest
import yaml

from background.commands import new, processes
from tests.documentation import blocks
from tests.support import ROOT

DOCS = ROOT / "docs"
SOURCES = {
    "# shop/pipelines.py": new.TEMPLATE / new.PLACEHOLDER / "pipelines.py",
    "# shop/app.py": new.TEMPLATE / new.PLACEHOLDER / "app.py",
    "# tests/test_shop.py": new.TEMPLATE / "tests" / f"test_{new.PLACEHOLDER}.py",
}


@pytest.mark.parametrize("block", blocks(DOCS / "your-product.md", "python"))
def test_code_is_that_of_the_template(block: str) -> None:
    name, _, code = block.partition("\n")
    assert code.strip() in SOURCES[name].read_text().replace(new.PLACEHOLDER, "shop")


def test_thirty_lines_are_enough() -> None:
    for name in ("pipelines.py", "app.py"):
        assert len((new.TEMPLATE / new.PLACEHOLDER / name).read_text().splitlines()) <= 30


def test_the_unit_starts_what_there_is_and_waits_for_its_end() -> None:
    (block,) = blocks(DOCS / "operations.md", "ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block)
    assert unit["Service"]["ExecStart"].endswith("/playground %i")
    assert unit["Unit"]["Description"].endswith("%i")
    named = block.splitlines()[0].partition("enable --now ")[2].split()
    assert {name.removeprefix("playground@") for name in named} <= set(processes.NAMES)
    # A worker ends within 8 s.
    assert int(unit["Service"]["TimeoutStopSec"]) > 8
    assert unit["Service"]["KillMode"] == "mixed"


def test_the_probes_ask_what_is_meant_for_them() -> None:
    (block,) = blocks(DOCS / "operations.md", "yaml")
    container = yaml.safe_load(block)
    assert container["args"][1] in processes.NAMES
    assert container["livenessProbe"]["httpGet"]["path"] == "/"
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
