"""The pipelines that `POST /jobs` offers. To add one: a model of its parameters, a `Pipeline`, and its steps.

`PIPELINES` names the modules whose pipelines exist: one of your own is as good as this.

A step is a function of a context and the parameters. What it returns must have a form in JSON; it is stored, shown,
and given to the later steps as `context.outputs["name of the step"]`. A step may run more than once when its
worker dies in it; `context.key` stays the same then.
"""

from typing import Any

from pydantic import Field

from background.documents import service as documents
from background.jobs.pipeline import Params, Pipeline, StepContext
from background.settings import get_settings


class DemoParams(Params):
    """`fail_at_step` makes that step fail `fail_times` times before it succeeds."""

    step_seconds: float = Field(default_factory=lambda: get_settings().step_seconds, ge=0, le=3600)
    fail_at_step: int | None = Field(None, ge=1, le=3)
    fail_times: int = Field(1, ge=0, le=1_000_000)


demo = Pipeline("demo", DemoParams, "Three steps that only take their time, and fail when asked to.")


def work(context: StepContext, params: DemoParams) -> None:
    """Take `step_seconds`, then fail if this is the step and the time for it."""
    context.sleep(params.step_seconds)
    if context.step_number == params.fail_at_step and context.failures < params.fail_times:
        raise RuntimeError(f"Step {context.step_number} failed, as fail_at_step asks for.")


@demo.step
def prepare(context: StepContext, params: DemoParams) -> dict[str, Any]:
    """Pretend to gather something."""
    work(context, params)
    return {"items": 3}


@demo.step
def process(context: StepContext, params: DemoParams) -> dict[str, Any]:
    """Pretend to work on what `prepare` gathered."""
    work(context, params)
    return {"processed": context.outputs["prepare"]["items"]}


@demo.step
def publish(context: StepContext, params: DemoParams) -> dict[str, Any]:
    """Pretend to hand over what `process` made."""
    work(context, params)
    return {"published": context.outputs["process"]["processed"], "key": context.key}


class DocumentParams(Params):
    """`document` is the name of a stored document; macOS writes a letter of it as up to three characters."""

    document: str = Field(min_length=1, max_length=600)

    def check(self) -> None:
        """Raise `Invalid` when there is no such document."""
        documents.require_document(self.document)


document = Pipeline("document", DocumentParams, "Extract, analyze and report one stored document.")


@document.step
def extract(context: StepContext, params: DocumentParams) -> dict[str, Any]:
    """Read the document's text."""
    return documents.extract_document(documents.get_store(), params.document)


@document.step
def analyze(context: StepContext, params: DocumentParams) -> dict[str, Any]:
    """Count, find the language and the keywords."""
    return documents.analyze_document(documents.get_store(), context.outputs["extract"])


@document.step
def report(context: StepContext, params: DocumentParams) -> dict[str, Any]:
    """Write the report; its name comes from the step's key, so that a repetition writes the same files."""
    return documents.report_documents(documents.get_store(), context.outputs["analyze"], report_id=context.key)
