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

RETRIES_HEADER = "playground_retries"
"""Message header: how often a canvas task is tried again when it fails."""


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
        return self.value.rpartition(".")[2]


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
    """Base of a task's parameters, in the order of the function's."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TwoNumbers(Parameters):
    """`add` and `multiply`."""

    x: Number
    y: Number


class Values(Parameters):
    """`xsum`."""

    values: list[Number]


class AnyValue(Parameters):
    """`finalize` and `echo`."""

    value: Any


class Data(Parameters):
    """`request_info`."""

    data: Any


class Seconds(Parameters):
    """`sleep`: at most 30 s, well below the broker's visibility timeout."""

    seconds: float = Field(ge=0, le=30)


class Message(Parameters):
    """`fail`."""

    message: str


class Times(Parameters):
    """`flaky`: how often it fails before it succeeds."""

    times: int = Field(ge=0, le=100)


class DocumentName(Parameters):
    """`extract`."""

    document: str


class Extracted(Parameters):
    """`analyze`: what `extract` returned."""

    extracted: dict[str, Any]


class Analysis(Parameters):
    """`report`: what `analyze` returned."""

    analysis: dict[str, Any]


class Analyses(Parameters):
    """`merge`: what several `analyze` returned."""

    analyses: list[dict[str, Any]]


CATALOGUE: dict[TaskName, type[Parameters]] = {
    TaskName.ADD: TwoNumbers,
    TaskName.MULTIPLY: TwoNumbers,
    TaskName.XSUM: Values,
    TaskName.FINALIZE: AnyValue,
    TaskName.ECHO: AnyValue,
    TaskName.REQUEST_INFO: Data,
    TaskName.SLEEP: Seconds,
    TaskName.FAIL: Message,
    TaskName.FLAKY: Times,
    TaskName.EXTRACT: DocumentName,
    TaskName.ANALYZE: Extracted,
    TaskName.REPORT: Analysis,
    TaskName.MERGE: Analyses,
}
"""The tasks that a canvas may use, with their parameters."""
