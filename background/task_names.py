"""What API and worker share about tasks: their names and their parameters.

The API publishes by name and checks arguments against these models; it imports no task. A test compares them
with the functions.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticKnownError

END_TASKS = "end_tasks"
"""Remote control command of our workers: kill these canvas tasks."""


class TaskName(StrEnum):
    """The full name of every task; the last part is its name in the catalogue."""

    ADD = "background.task.test_tasks.add"
    MULTIPLY = "background.task.test_tasks.multiply"
    XSUM = "background.task.test_tasks.xsum"
    FINALIZE = "background.task.test_tasks.finalize"
    ECHO = "background.task.test_tasks.echo"
    REQUEST_INFO = "background.task.test_tasks.request_info"
    SLEEP = "background.task.test_tasks.sleep"
    FAIL = "background.task.test_tasks.fail"
    FLAKY = "background.task.test_tasks.flaky"

    EXTRACT = "background.task.document_tasks.extract"
    ANALYZE = "background.task.document_tasks.analyze"
    REPORT = "background.task.document_tasks.report"
    MERGE = "background.task.document_tasks.merge"

    RUN_JOB = "background.task.job_tasks.run_job"

    @property
    def short(self) -> str:
        """The catalogue name, e.g. `add`."""
        return short_name(self)


def short_name(task: str) -> str:
    """The last part of a task's full name, by which people know it."""
    return task.rpartition(".")[2]


JOB_TASKS = frozenset({TaskName.RUN_JOB.value, "tasks.process_job"})
"""What runs the job whose id it is sent with, as the argument `job_id`: our name, and the one other programs know."""


def _number(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One finding for what is no number, in the place of one for each kind of number that it is not."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticKnownError("float_type") from None


Number = Annotated[int | float, WrapValidator(_number)]


class Parameters(BaseModel):
    """Base of a task's parameters, in the order of the function's; its first line says what the task does."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Add(Parameters):
    """x + y."""

    x: Number
    y: Number


class Multiply(Parameters):
    """x times y."""

    x: Number
    y: Number


class Xsum(Parameters):
    """The sum of a list, such as a group's results."""

    values: list[Number]


class Finalize(Parameters):
    """A last word about whatever came before."""

    value: Any


class Echo(Parameters):
    """The value itself."""

    value: Any


class RequestInfo(Parameters):
    """What `bind=True` gives a task: `self.request`, and four things it is good for."""

    data: Any


class Sleep(Parameters):
    """Take that long; gives the seconds.

    At most 30 s, well below the broker's visibility timeout.
    """

    seconds: float = Field(ge=0, le=30)


class Fail(Parameters):
    """Always raises RuntimeError with the message."""

    message: str


class Flaky(Parameters):
    """Fail `times` times, a tenth of a second apart, then succeed; gives the number of tries."""

    times: int = Field(ge=0, le=100)


class Extract(Parameters):
    """Read a stored document's text; it stays on disk beside it, and only its key is handed on."""

    document: str


class Analyze(Parameters):
    """Count, find the language and the keywords.

    Takes what `extract` returned.
    """

    extracted: dict[str, Any]


class Report(Parameters):
    """Write one document's report; the files are named after the task, so a repetition writes the same ones.

    Takes what `analyze` returned.
    """

    analysis: dict[str, Any]


class Merge(Parameters):
    """Write one report on all of them.

    Takes what several `analyze` returned.
    """

    analyses: list[dict[str, Any]]


CATALOGUE: dict[TaskName, type[Parameters]] = {
    TaskName.ADD: Add,
    TaskName.MULTIPLY: Multiply,
    TaskName.XSUM: Xsum,
    TaskName.FINALIZE: Finalize,
    TaskName.ECHO: Echo,
    TaskName.REQUEST_INFO: RequestInfo,
    TaskName.SLEEP: Sleep,
    TaskName.FAIL: Fail,
    TaskName.FLAKY: Flaky,
    TaskName.EXTRACT: Extract,
    TaskName.ANALYZE: Analyze,
    TaskName.REPORT: Report,
    TaskName.MERGE: Merge,
}
"""The tasks that a canvas may use, with their parameters. What each does says its model, in the task's own words."""
