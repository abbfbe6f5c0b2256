"""What a step returns is stored as JSON, and given back in the type that it declares; or refused in a sentence."""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from typing_extensions import TypeAliasType

from background.jobs.outputs import Codec, NotStorable, Outputs


class Colour(Enum):
    """Not a string."""

    RED = "red"


@dataclasses.dataclass
class Point:
    """Of the standard library."""

    x: Decimal
    raw: bytes


class Price(BaseModel):
    """A model with what JSON has not."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    cents: Decimal
    seal: bytes


class Utf8(BaseModel):
    """A model whose bytes would be text."""

    seal: bytes


class Named(BaseModel):
    """A model that says its fields otherwise."""

    street_name: str = Field(alias="streetName")


class Marked(Price):
    """A model with more than the one that is declared."""

    mark: str


@dataclasses.dataclass
class Deep(Point):
    """The same of a dataclass."""

    z: int


@dataclasses.dataclass
class Done:
    """One of two that look alike."""

    note: str


@dataclasses.dataclass(eq=False)
class Undone:
    """The other, which is not even equal to itself read again."""

    note: str


class Paid(NamedTuple):
    """One of two that are equal as tuples."""

    cents: int


class Owed(NamedTuple):
    """The other."""

    cents: int


class Level(IntEnum):
    """What is equal to an integer."""

    LOW = 1


@dataclasses.dataclass
class Summed:
    """A field that is counted, and one that is set."""

    items: list[Decimal]
    number: int = dataclasses.field(init=False)
    note: str = dataclasses.field(init=False, default="")

    def __post_init__(self) -> None:
        """Count."""
        self.number = len(self.items)


NOTED = Summed([Decimal(1)])
NOTED.note = "by hand"
AMOUNT = TypeAliasType("AMOUNT", Decimal | str)


class Halted(Done):
    """A third."""


class Either(BaseModel):
    """A model that has one of them, and what may be anything."""

    it: Done | Undone
    detail: Any = None


class Login(BaseModel):
    """What nobody is to see."""

    password: SecretStr


class Plain:
    """What has no form."""


NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
BYTES = b"\xff\x00"


def returns(declared: Any) -> Callable[..., Any]:
    """A step that is annotated so."""

    def step(context: Any, params: Any) -> Any:
        return context, params

    step.__annotations__["return"] = declared
    return step


@pytest.mark.parametrize(
    ("declared", "value", "stored"),
    [
        (Decimal, Decimal("1.10"), "1.10"),
        (datetime, NOON, "2030-01-01T12:00:00Z"),
        (timedelta, timedelta(minutes=1), "PT1M"),
        (UUID, UUID(int=1), str(UUID(int=1))),
        (Colour, Colour.RED, "red"),
        (bytes, BYTES, "_wA="),
        (Point, Point(Decimal("0.5"), BYTES), {"x": "0.5", "raw": "_wA="}),
        (Price, Price(cents=Decimal(5), seal=BYTES), {"cents": "5", "seal": "_wA="}),
        (Named, Named(streetName="Main"), {"street_name": "Main"}),
        (list[Price | None], [Price(cents=Decimal(5), seal=b""), None], [{"cents": "5", "seal": ""}, None]),
        ("dict[str, Decimal]", {"a": Decimal(1)}, {"a": "1"}),
        (tuple[int, Decimal], (1, Decimal(2)), [1, "2"]),
        (dict[int, str], {1: "a"}, {"1": "a"}),
        (dict[str, Any], {"a": [1, None]}, {"a": [1, None]}),
        (Iterable[int], [1], [1]),
        (Done | Price, Done("x"), {"note": "x"}),
        (list[set[int] | Decimal], [{1}, Decimal(2)], [[1], "2"]),
        (dict[Colour | int, bytes | None], {Colour.RED: b"", 2: None}, {"red": "", "2": None}),
        (type(None), None, None),
        (Paid | Owed, Paid(5), [5]),
        (int | Level, 1, 1),
        (dict[datetime, Paid | Owed], {NOON: Paid(5)}, {"2030-01-01T12:00:00Z": [5]}),
        (Summed, Summed([Decimal(1)]), {"items": ["1"], "note": ""}),
        (AMOUNT, Decimal(5), "5"),
    ],
)
def test_it_comes_back_as_it_was(declared: Any, value: Any, stored: Any) -> None:
    codec = Codec(returns(declared))
    text = codec.dumps(value)
    assert json.loads(text) == stored
    found = Outputs({"step": stored}, {"step": codec}.get)["step"]
    assert found == value
    assert type(found) is type(value)


def test_without_a_type_it_is_stored_in_its_form_and_given_back_as_json() -> None:
    codec = Codec(lambda *_: None)
    value = [Decimal("1.5"), NOON, Colour.RED, BYTES, Point(Decimal(1), b"a"), UUID(int=2), {1}]
    stored = ["1.5", "2030-01-01T12:00:00Z", "red", "_wA=", {"x": "1", "raw": "YQ=="}, str(UUID(int=2)), [1]]
    assert json.loads(codec.dumps(value)) == stored
    assert codec.loads(stored) is stored


@pytest.mark.parametrize(
    ("declared", "value", "why"),
    [
        (Any, Plain(), "Object of type Plain is not JSON serializable"),
        (Any, {"key": SecretStr("x")}, "Object of type SecretStr is not JSON serializable"),
        (Any, itertools.count(), "Object of type count is not JSON serializable"),
        (Any, [math.nan], "Out of range float values"),
        (Any, "\0", "NUL"),
        (Decimal, "1.5", "Expected decimal, and it is str."),
        (Decimal, Decimal("NaN"), "finite"),
        (Point, Point("1", b""), "^x: Expected decimal, and it is str."),  # type: ignore[arg-type]
        (str | Decimal, Decimal(1), "It would come back as another type"),
        (dict[str, list[datetime | str]], {"a": [NOON.isoformat()]}, "It would come back as another type"),
        (Done | Undone, Undone("x"), "It would come back as another type"),
        (Either, Either(it=Undone("x")), "It would come back as another type"),
        (Done | dict[str, str], {"note": "x"}, "It would come back as another type"),
        (dict[str, str] | Done, Done("x"), "It would come back as another type"),
        (list[int] | set[int], {1}, "It would come back as another type"),
        (Done | Halted, Halted("x"), "It would come back as another type"),
        (tuple[int, ...] | list[int], (1,), "It would come back as another type"),
        (Path | date, date(2030, 1, 1), "It would come back as another type"),
        (Paid | Owed, Owed(5), "It would come back as another type"),
        (list[Paid | Owed], [Owed(5)], "It would come back as another type"),
        (int | Level, Level.LOW, "It would come back as another type"),
        (set[int] | frozenset[int], frozenset({1}), "It would come back as another type"),
        (dict[datetime | date, int], {date(2030, 1, 1): 1}, "It would come back as another type"),
        (dict[datetime | str, int], {NOON: 1}, "It would come back as another type"),
        (dict[UUID | str, int], {str(UUID(int=1)): 1}, "It would come back as another type"),
        (AMOUNT, "5", "It would come back as another type"),
        (Summed, NOTED, "Its note would come back as another value: a field that is init=False is not read."),
        (dict[int | str, Decimal], {1: Decimal(1), "1": Decimal(2)}, "Of its 2 keys 1 would come back."),
        (Any, [{"a": ({1: 2, "1": 3},)}], "It has the key '1' twice, as JSON writes it."),
        (dict, {None: 2, "null": 3}, "It has the key 'null' twice"),
        (list[Colour], [None], "^0: Input should be 'red'"),
        (Price, Marked(cents=Decimal(5), seal=b"", mark="x"), "It is a Marked, whose mark a Price has not."),
        (dict[str, list[Point]], {"a": [Deep(Decimal(1), b"", 3)]}, "It is a Deep, whose z a Point has not."),
    ],
)
def test_what_cannot_be_stored_is_named(declared: Any, value: Any, why: str) -> None:
    with pytest.raises(NotStorable, match=why) as caught:
        Codec(returns(declared)).dumps(value)
    assert "errors.pydantic.dev" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (Plain, r"it returns Plain, which has no form in JSON: Unable to generate .*Plain'>\.$"),
        (list[Plain], "which has no form in JSON"),
        (Callable[[], int], "which has no form in JSON"),
        (Iterator[int], "which has no form in JSON"),
        (Login, "it returns Login, which hides a secret: only asterisks would be stored"),
        (Utf8, "whose bytes would be stored as UTF-8"),
        (Iterable[Decimal], "which is read once alone: name a list"),
        (list[Literal[Colour.RED]], "of which JSON has no literals: name the enumeration, or bytes"),
        (list[dict[tuple[int, int], str]], "of which JSON has no keys: those are texts"),
        (dict[int | None, Decimal], "of which JSON has no keys: those are texts"),
        (dict[Done, int], "of which JSON has no keys: those are texts"),
        ("Nowhere", "annotation cannot be read: name 'Nowhere' is not defined"),
    ],
)
def test_a_type_that_cannot_be_stored_is_refused_at_once(declared: Any, why: str) -> None:
    with pytest.raises(NotStorable, match=why):
        Codec(returns(declared))


def test_what_may_be_anything_comes_back_as_json() -> None:
    for declared, value in (
        (Either, Either(it=Done("x"), detail=Undone("y"))),
        (Decimal | dict[str, Any], {"a": NOON}),
        (tuple[Decimal, Any], (Decimal(1), Done("x"))),
    ):
        codec = Codec(returns(declared))
        assert codec.dumps(codec.loads(json.loads(codec.dumps(value)))) == codec.dumps(value)


@pytest.mark.parametrize("declared", [Any, list[Decimal | None]])
def test_what_a_step_changes_in_an_output_does_not_reach_the_next(declared: Any) -> None:
    stored = {"rows": [None], "gone": [None]}
    codecs = {"rows": Codec(returns(declared))}
    for _ in range(2):
        outputs = Outputs(stored, codecs.get)
        for name in stored:
            assert outputs[name] == [None]
            outputs[name].append(None)
            assert outputs[name] == [None, None], "within a step it is one object"


def test_an_output_of_another_release_is_named() -> None:
    outputs = Outputs({"price": "free", "note": 1}, {"price": Codec(returns(Decimal))}.get)
    assert (outputs["note"], sorted(outputs)) == (1, ["note", "price"])
    with pytest.raises(NotStorable, match="The output of 'price' is not of the type that the step declares"):
        _ = outputs["price"]
    with pytest.raises(KeyError):
        _ = outputs["later"]
