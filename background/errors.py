"""The one tree of errors that a use-case may raise on purpose.

They know nothing of HTTP; `background.problems` holds the table from error to status.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError


class PlaygroundError(Exception):
    """Base of all expected errors. Its text is one sentence that a client may read."""


class NotFound(PlaygroundError):
    """What was named does not exist."""


class Conflict(PlaygroundError):
    """It exists, but its present state does not allow this."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `loc` is its path, e.g. `("body", "params", "document")`."""

    loc: tuple[str | int, ...]
    msg: str
    type: str

    def below(self, where: tuple[str | int, ...]) -> "FieldError":
        """The same finding with `where` before its path."""
        return FieldError((*where, *self.loc), self.msg, self.type)


class Invalid(PlaygroundError):
    """The input is well formed and still cannot be used; `errors` names the fields where there are any."""

    def __init__(self, message: str, *, where: tuple[str | int, ...] = (), errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.errors = list(errors) or ([FieldError(where, message, "value_error")] if where else [])

    @classmethod
    def from_pydantic(cls, error: ValidationError, *, where: tuple[str | int, ...]) -> "Invalid":
        """The same findings with `where` before each path, without the input."""
        found = [
            FieldError((*where, *each["loc"]), each["msg"], each["type"]) for each in error.errors(include_url=False)
        ]
        fields = ", ".join(".".join(map(str, each.loc[1:])) for each in found)
        return cls(f"Not valid: {fields}.", errors=found)


class UnsupportedType(PlaygroundError):
    """A document of a kind that cannot be read here."""


class TooLarge(PlaygroundError):
    """More bytes than `MAX_UPLOAD_BYTES` allows."""


class Unavailable(PlaygroundError):
    """PostgreSQL or the broker cannot be reached right now; trying again later may help."""
