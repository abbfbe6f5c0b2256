"""The one tree of errors that a use-case may raise on purpose.

They know nothing of HTTP; `background.http.problems` holds the table from error to status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError


class PlaygroundError(Exception):
    """Base of all expected errors. Its text is one sentence that a client may read.

    `code` and `values` are the same as facts, from which the page words it in its own language.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, **values: Any) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.values = values


class NotFound(PlaygroundError):
    """What was named does not exist."""

    code = "not_found"


class Conflict(PlaygroundError):
    """A thing that exists, but whose present state does not allow what was asked."""

    code = "conflict"


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `loc` is its path, e.g. `("body", "params", "document")`.

    `type` and `values` are `msg` as facts.
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def below(self, where: tuple[str | int, ...]) -> "FieldError":
        """A copy of the finding with `where` before its path."""
        return FieldError((*where, *self.loc), self.msg, self.type, self.values)


def said(finding: Mapping[str, Any]) -> str:
    """What is wrong, in the words of pydantic, or of a validator without what pydantic puts before them."""
    return str(finding["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def plain(context: Mapping[str, Any] | None) -> dict[str, Any]:
    """What pydantic says beside a finding, without what JSON has not."""
    return {
        name: value if isinstance(value, str | int | float) else str(value) for name, value in (context or {}).items()
    }


class Invalid(PlaygroundError):
    """The input is well formed and still cannot be used; `errors` names the fields where there are any."""

    code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        where: tuple[str | int, ...] = (),
        errors: Sequence[FieldError] = (),
        code: str | None = None,
        **values: Any,
    ) -> None:
        super().__init__(message, code=code, **values)
        self.errors = list(errors) or ([FieldError(where, message, self.code, values)] if where else [])

    @classmethod
    def from_pydantic(cls, error: ValidationError, *, where: tuple[str | int, ...]) -> "Invalid":
        """The findings of pydantic with `where` before each path, without the input.

        It names the fields; what is wrong with all of them together it says.
        """
        found = [
            FieldError((*where, *each["loc"]), said(each), each["type"], plain(each.get("ctx")))
            for each in error.errors(include_url=False)
        ]
        fields = ", ".join(".".join(map(str, each.loc[1:])) for each in found if each.loc[1:])
        return cls(f"Not valid: {fields}." if fields else found[0].msg, errors=found)


class UnsupportedType(PlaygroundError):
    """A document of a kind that cannot be read here."""

    code = "unsupported_type"


class TooLarge(PlaygroundError):
    """More bytes than are taken here."""

    code = "too_large"


class Unavailable(PlaygroundError):
    """PostgreSQL or the broker cannot be reached right now; trying again later may help."""

    code = "unavailable"


class TooMany(PlaygroundError):
    """More at once than one client may have."""

    code = "too_many"
