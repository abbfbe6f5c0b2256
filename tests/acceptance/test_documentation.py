"""The documents say what happens: their examples are run and compared, their code is tried."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.documentation import ENGLISH, Names, blocks, examples
from tests.support import ROOT, Process, running_api, running_worker, wait_for

EXTEND = ROOT / "docs" / "extend.md"
UPLOADED = "README.md"
WITH_EXAMPLES = [path for path in ENGLISH if any(examples(path))]


@pytest.fixture
def _nothing_stays(client: httpx.Client) -> Iterator[None]:
    """A document that an example uploads is no other test's business, whether or not it is removed there."""
    yield
    client.delete(f"/documents/{UPLOADED}")


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_every_example_gives_what_is_shown(page: Path, client: httpx.Client, worker: Process) -> None:
    names = Names()
    for example in examples(page):
        assert example.shown, f"no output is shown for: {example.command}"
        example.read(names.translate(example.command))
        told = example.answer(client)
        if example.method == "GET":
            # It may take a moment until it is so.
            wait_for(
                lambda example=example: names.learn(example.shown, example.answer(client).rstrip("\n")),  # type: ignore[misc]
                what=f"{example.command}\n{example.shown}\n(at first: {told[:2000]})\n",
            )
        else:
            assert names.learn(example.shown, told.rstrip("\n")), f"{example.command}\n{example.shown}\n{told}"


def test_there_are_examples() -> None:
    assert {"README", "tutorial", "jobs", "canvases", "documents", "streams", "command-line"} <= {
        path.stem for path in WITH_EXAMPLES
    }
    assert sum(len(list(examples(path))) for path in WITH_EXAMPLES) > 60


def test_an_example_must_agree_with_the_ones_before() -> None:
    names = Names()
    one, two = "16696c24-5e77-431e-ad09-455ec97df31d", "05e3ea4a-ab93-40a5-97cb-29d78a94d509"
    assert names.learn(f'{{"job_id":1,"task_id":"{one}",…}}', f'{{"job_id":7,"task_id":"{two}","more":[1]}}')
    assert names.translate(f"localhost:8000/jobs/1/x/{one}") == f"localhost:8000/jobs/7/x/{two}"
    assert names.learn("Job 1 is COMPLETED", "Job 7 is COMPLETED")
    assert not names.learn("Job 1 is COMPLETED", "Job 1 is COMPLETED")
    assert not names.learn(f'["{one}"]', f'["{one}"]')
    assert not names.learn('{"status":"SUCCESS",…}', '{"status":"FAILURE","x":1}')


def insert(path: Path, *, before: str, code: str) -> None:
    """Put code above the one line that begins so, at its indentation."""
    text = path.read_text()
    (line,) = re.findall(rf"^ *{re.escape(before)}.*$", text, re.MULTILINE)
    indent = line[: len(line) - len(line.lstrip())]
    added = "".join(f"{indent}{each}".rstrip() + "\n" for each in code.splitlines())
    path.write_text(text.replace(line, f"{added}\n{line}", 1))


TRY = """
import inspect
from background.jobs.pipeline import StepContext
from background.jobs.registry import pipelines
from background.task.test_tasks import greet
from background.task_names import CATALOGUE, TaskName

assert greet("Ada") == "Hello, Ada"
assert greet.name == TaskName.GREET
assert list(CATALOGUE[TaskName.GREET].model_fields) == list(inspect.signature(greet.run).parameters)

count, told, outputs = pipelines()["count"], [], {}
for number, (name, step) in enumerate(count.steps.items(), start=1):
    context = StepContext(
        job_id=7, step_number=number, attempt=1, outputs=outputs,
        report=lambda *report: told.append(report), watch=lambda: None,
    )
    outputs[name] = step(context, count.params())
assert outputs == {"tally": 3, "double": 6}
assert told[-1] == (2 / 3, "at 2")
assert context.key == "job-7-step-2"
"""


def test_the_task_and_the_pipeline_that_are_added_work(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "background", tmp_path / "background", ignore=shutil.ignore_patterns("__pycache__"))
    name, task, pipeline = (
        next(block for block in blocks(EXTEND, "python") if part in block)
        for part in ("GREET =", "def greet", "class CountParams")
    )
    constant, model, entry = re.split(r"\n\n(?=class Greet|TaskName)", name.rstrip())
    names = tmp_path / "background" / "task_names.py"
    insert(names, before="RUN_JOB =", code=constant)
    insert(names, before="CATALOGUE:", code=model)
    insert(names, before="TaskName.ADD:", code=entry)
    with (tmp_path / "background" / "task" / "test_tasks.py").open("a") as tasks:
        tasks.write(f"\n\n{task}")
    with (tmp_path / "background" / "pipelines.py").open("a") as pipelines:
        pipelines.write(f"\n\n{pipeline}")
    done = subprocess.run([sys.executable, "-c", TRY], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("page", "module", "order", "told"),
    [
        ("tutorial.md", "shop", ["order", "--param", "item=tea"], "shipped 1 x tea under job-"),
        ("extend.md", "shop.pipelines", ["refund", "--param", "order=A7", "--param", "cents=5"], "COMPLETED"),
    ],
)
@pytest.mark.usefixtures("postgres", "valkey")
def test_a_pipeline_of_ones_own_runs(tmp_path: Path, page: str, module: str, order: list[str], told: str) -> None:
    (code,) = [block for block in blocks(ROOT / "docs" / page, "python") if "from background.jobs.pipeline" in block]
    path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text(code, encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path), "PIPELINES": f"{module},background.pipelines"}
    with running_api(tmp_path / "api.log", env=env) as client, running_worker(tmp_path / "own.log", env=env):
        submit = [sys.executable, "-m", "background", "submit", *order, "--wait"]
        done = subprocess.run(
            submit,
            cwd=ROOT,
            env={**os.environ, "PLAYGROUND_URL": str(client.base_url)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert told in done.stdout


@pytest.mark.usefixtures("worker")
def test_what_programs_of_the_client_print_is_what_is_shown(client: httpx.Client) -> None:
    page = ROOT / "docs" / "client.md"
    programs = list(zip(blocks(page, "python"), blocks(page, "text"), strict=True))
    assert len(programs) == 3
    for code, shown in programs:
        program = code.replace("http://127.0.0.1:8000", str(client.base_url))
        assert program != code
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert Names().learn(shown, done.stdout.rstrip("\n")), done.stdout + done.stderr


def test_the_site_is_built_strictly_and_loads_nothing_from_another_host(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        build, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = list((tmp_path / "site").rglob("*.html"))
    assert len(built) > len(ENGLISH)
    for page in built:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|source|iframe)\b[^>]*\bsrc(?:set)?=\"?([^\" >]+)", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=\"?([^\" >]+)", text)
        assert [each for each in loaded if "//" in each] == [], page
