"""A pipeline that is declared wrong ends its process, with one line; and what a release makes of old parameters."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from background.jobs import states
from background.jobs.pipeline import DeclaredWrong, Params, Pipeline, Refused, StepContext
from tests.support import ROOT


class Wanted(Params):
    """Parameters of today."""

    cents: int


def plain(context: StepContext, params: Params) -> int:
    """A step."""
    return 1


def undecorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that forgets the function's name."""

    def wrapper(context: StepContext, params: Params) -> Any:
        return function(context, params)

    return wrapper


async def later(context: StepContext, params: Params) -> int:
    """No step yet."""
    return 1


def test_a_second_step_of_one_name_is_refused() -> None:
    pipeline = Pipeline("p", Params)
    pipeline.step(plain)
    with pytest.raises(DeclaredWrong, match="Step 'plain' of pipeline 'p' is there twice"):
        pipeline.step(plain)
    pipeline.step(undecorated(plain))
    with pytest.raises(DeclaredWrong, match=r"'wrapper'.*functools\.wraps"):
        pipeline.step(undecorated(later))


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (later, "is async"),
        (lambda _: 1, "two arguments"),
        (lambda context, params, more: (context, params, more), "two arguments"),
        (lambda context, params, *, more: (context, params, more), "two arguments"),
        (lambda: 1, "two arguments"),
    ],
)
def test_a_step_that_cannot_be_called_is_refused(step: Any, why: str) -> None:
    with pytest.raises(DeclaredWrong, match=why):
        Pipeline("p", Params).step(step)


@pytest.mark.parametrize(
    ("modules", "line"),
    [
        ("one,two", "There are two pipelines 'p'; the second is declared in two."),
        ("nowhere", "PIPELINES: No module named 'nowhere'"),
    ],
)
@pytest.mark.parametrize(
    "program", [["-c", "import main"], ["-m", "celery", "-A", "background.celery.celery_app", "worker"]]
)
def test_a_process_that_imports_them_says_so_in_one_line(
    tmp_path: Path, modules: str, line: str, program: list[str]
) -> None:
    for name in ("one", "two"):
        text = "from background.jobs.pipeline import Params, Pipeline\np = Pipeline('p', Params)\n"
        (tmp_path / f"{name}.py").write_text(text)
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PIPELINES": modules, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, *program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == line
    assert "Traceback" not in done.stderr


def test_old_parameters_are_taken_upgraded_or_refused() -> None:
    upgrade = lambda params: {"cents": 100 * params["amount"]}  # noqa: E731
    pipeline = Pipeline("p", Wanted, upgrade=upgrade)
    assert pipeline.accept({"cents": 5}) == Wanted(cents=5)
    assert pipeline.accept({"amount": 5}) == Wanted(cents=500)
    with pytest.raises(Refused, match="upgrade: KeyError: 'amount'"):
        pipeline.accept({})
    with pytest.raises(Refused, match="cents: Field required"):
        Pipeline("p", Wanted).accept({"amount": 5})


def test_the_digest_of_parameters_changes_with_what_they_are() -> None:
    class More(Wanted):
        note: str = ""

    digests = [Pipeline("p", model).params_digest for model in (Wanted, Wanted, More, Params)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_what_none_of_the_workers_has_is_said() -> None:
    one = {"pay": {"steps": ["charge"], "params": "a"}}
    two = {"pay": {"steps": ["charge", "send"], "params": "b"}}

    def lacking(step: str, *abilities: Any, refused_by: list[str] | None = None) -> Any:
        turned_away = None if refused_by is None else {"refused_by": refused_by, "error": "no"}
        return states.lacking("pay", step, turned_away=turned_away, abilities=abilities)

    assert lacking("charge") is None, "workers of a release that does not say what it has"
    assert lacking("charge", {}) == {"code": "no_worker_has_pipeline", "pipeline": "pay"}
    assert lacking("send", one) == {"code": "no_worker_has_step", "pipeline": "pay", "step": "send"}
    assert lacking("send", one, two) is None
    assert lacking("charge", one, two, refused_by=["a"]) is None
    assert lacking("send", one, two, refused_by=["b"]) == {"code": "params_refused", "pipeline": "pay", "error": "no"}


def test_a_step_keeps_the_key_that_it_ever_had() -> None:
    keys = states.replanned(["take", "send"], None, ["take", "check", "send"])
    assert keys == {"take": 1, "send": 2, "check": 3}
    keys = states.replanned(["take", "check", "send"], keys, ["pack"])
    assert keys == {"take": 1, "send": 2, "check": 3, "pack": 4}
    assert states.replanned(["pack"], keys, ["take", "check"]) == keys
