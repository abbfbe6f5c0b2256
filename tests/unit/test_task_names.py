"""The models beside the names say what the tasks themselves say."""

import inspect
from typing import get_type_hints

import pytest

from background.celery import celery_app
from background.jobs.pipeline import Params
from background.jobs.registry import pipelines
from background.task_names import CATALOGUE, TaskName


@pytest.fixture(scope="module", autouse=True)
def _tasks() -> None:
    celery_app.loader.import_default_modules()


def parameters_of(name: TaskName) -> dict[str, object]:
    """The parameters of a task's function with their types, without `self`."""
    function = celery_app.tasks[name].run
    hints = get_type_hints(function)
    return {parameter: hints[parameter] for parameter in inspect.signature(function).parameters}


@pytest.mark.parametrize("name", TaskName)
def test_every_name_has_its_task(name: TaskName) -> None:
    assert celery_app.tasks[name].name == name


def test_every_task_has_its_name() -> None:
    ours = {name for name in celery_app.tasks if name.startswith("background.")}
    assert ours == {name.value for name in TaskName}


@pytest.mark.parametrize("name", CATALOGUE)
def test_model_and_function_agree(name: TaskName) -> None:
    hints = get_type_hints(CATALOGUE[name])
    model = {field: hints[field] for field in CATALOGUE[name].model_fields}
    assert list(parameters_of(name)) == list(model)
    assert parameters_of(name) == model
    both = (CATALOGUE[name], celery_app.tasks[name].run)
    said, does = (str(inspect.getdoc(each)).partition("\n")[0] for each in both)
    assert said == does


def test_all_but_the_job_task_are_in_the_catalogue() -> None:
    assert set(TaskName) - set(CATALOGUE) == {TaskName.RUN_JOB}


@pytest.mark.parametrize("pipeline", pipelines().values(), ids=lambda pipeline: pipeline.name)
def test_a_step_takes_the_context_and_its_pipelines_params(pipeline: object) -> None:
    for step in pipeline.steps.values():  # type: ignore[attr-defined]
        hints = get_type_hints(step)
        context, params = list(inspect.signature(step).parameters)
        assert hints[context].__name__ == "StepContext"
        assert hints[params] is pipeline.params  # type: ignore[attr-defined]
        assert issubclass(hints[params], Params)
