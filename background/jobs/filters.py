"""Which jobs are meant: what `GET /jobs` takes in its query, and `POST /jobs/actions` as JSON, under the same names."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from background.base.jsontext import NO_NUL
from background.base.strict import Strict
from background.jobs.schemas import MAX_TAGS, Tag
from background.jobs.states import Action, JobStatus

MAX_ID = 2**63 - 1
PARAM = "param."
"""What stands before the name of a parameter."""
MAX_NAMES = 10
"""How many parameters may be named at once, and how deep a name may lead."""
MAX_TEXT = 1000
MOST_AT_ONCE = 10_000
"""How many jobs one action works off, and up to how many are counted."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)([Zz]|[+ -]\d\d:\d\d)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_WORDS = ("true", "false", "null")


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a time is written as in RFC 3339, as 2026-11-26T09:30:00Z or 2026-11-26T18:30:00+09:00")
    day, time, zone = found.groups()
    # A query in which nobody has escaped it has a space for a plus.
    moment = datetime.fromisoformat(f"{day}T{time}{'+00:00' if zone in 'Zz' else zone.replace(' ', '+')}")
    try:
        # PostgreSQL takes no offset of more than 16 hours.
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time is between the years 1 and 9999 in UTC") from None


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Moment = Annotated[datetime, BeforeValidator(_moment)]
Name = Annotated[str, Field(max_length=255, pattern=NO_NUL)]
ErrorText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=NO_NUL)]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


def _gathered(value: Any) -> Any:
    """The same filters, with all parameters in one place."""
    if not isinstance(value, dict) or not any(isinstance(name, str) and name.startswith(PARAM) for name in value):
        return value
    named = {name: each for name, each in value.items() if name.startswith(PARAM)}
    rest = {name: each for name, each in value.items() if name not in named}
    return {**rest, "params": _read(named)}


def _read(named: Mapping[str, Any]) -> dict[str, list[str]]:
    if len(named) > MAX_NAMES:
        raise _refused("at most {limit} can be asked for")
    found = {}
    for name, values in named.items():
        path = name.removeprefix(PARAM)
        if not all(path.split(".")) or path.count(".") >= MAX_NAMES or len(path) > 255 or "\x00" in path:
            raise _refused("one is named as in param.customer or param.address.city")
        found[path] = [_text(each) for each in (values if isinstance(values, list) else [values])]
        if not 1 <= len(found[path]) <= MAX_NAMES:
            raise _refused("one is compared with 1 to {limit} values")
    return found


def _refused(reason: str) -> PydanticCustomError:
    return PydanticCustomError("filter_param", f"Of params {reason}.", {"limit": MAX_NAMES})


def _text(value: Any) -> str:
    if isinstance(value, dict | list) or (isinstance(value, str) and ("\x00" in value or len(value) > MAX_TEXT)):
        raise PydanticCustomError(
            "filter_param_scalar",
            "A param is compared with text of at most {limit} characters, a number, true, false or null.",
            {"limit": MAX_TEXT},
        )
    return value if isinstance(value, str) else json.dumps(value)


def _in_schema(schema: dict[str, Any]) -> None:
    scalar = {"type": ["string", "number", "boolean", "null"]}
    schema["properties"].pop("params")
    schema["patternProperties"] = {r"^param\.": {"anyOf": [scalar, {"type": "array", "items": scalar}]}}


class JobFilter(Strict):
    """The jobs for which all of this holds; without any field, all jobs.

    `status` is one or several, any of which; `tag` one or several, all of which. `param.<name>` compares a parameter,
    with dots for what is nested in it (`param.address.city`): 7 is found as a number and as text, and of several values
    any. `error` is a part of the error's text, in any case. `created_after` is the first moment, `created_before` the
    one behind the last. `before` is a job's id: only those with lower ones.
    """

    model_config = ConfigDict(json_schema_extra=_in_schema)

    # A list that somebody has put together, and that came out empty, does not mean all jobs.
    status: Annotated[list[Annotated[JobStatus, Field(strict=False)]], BeforeValidator(_listed)] = Field(
        default_factory=list, min_length=1
    )
    tag: Annotated[list[Annotated[Tag, Field(pattern=NO_NUL)]], BeforeValidator(_listed)] = Field(
        default_factory=list, min_length=1, max_length=MAX_TAGS
    )
    pipeline: Name | None = None
    queue: Name | None = None
    worker: Name | None = None
    schedule_id: Id | None = None
    error: ErrorText | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    before: Id | None = None
    params: dict[str, list[str]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        if isinstance(value, dict) and "params" in value:
            raise _refused("one is named as in param.customer")
        return _gathered(value)

    @property
    def searches(self) -> bool:
        """Whether it has more than lists have always been by."""
        plain = {"status", "pipeline", "worker", "before"}
        return bool(self.model_dump(exclude=plain, exclude_defaults=True)) or len(self.status) > 1


def meant(text: str) -> list[str]:
    """What a text in a query may mean in JSON, each as JSON text: itself, and the number or word that it spells."""
    spelled = [text] if text in _WORDS or _NUMBER.fullmatch(text) else []
    return [json.dumps(text), *spelled]


class ActionRequest(Strict):
    """The body of `POST /jobs/actions`: what is done to the newest `limit` jobs that match; `{}` matches all."""

    action: Annotated[Action, Field(strict=False)]
    filter: JobFilter
    limit: int = Field(MOST_AT_ONCE, ge=1, le=MOST_AT_ONCE)


class ActionOutcome(BaseModel):
    """What became of the jobs that matched: how many it was done to, and how many could not take it.

    `before` is `null` once all have been worked off; otherwise older ones match, and the same with this `before` in the
    filter goes on with them.
    """

    matched: int
    done: int
    refused: int
    before: int | None


class ErrorCount(BaseModel):
    """How many jobs have this error."""

    error: str
    number: int


class Matching(BaseModel):
    """How many jobs match, 10,000 where there are `more`, and the errors of the newest 1,000 that have failed."""

    number: int
    more: bool
    errors: list[ErrorCount]
