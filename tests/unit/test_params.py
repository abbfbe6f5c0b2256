"""What the parameters of a pipeline may be: how they are given, checked, stored and read again."""

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    RootModel,
    ValidationError,
    WrapValidator,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from background.base.errors import Invalid
from background.base.strict import as_json, read
from background.jobs.checks import checked
from background.jobs.params import read_params
from background.jobs.pipeline import (
    Params,
    Pipeline,
    Refused,
)
from background.pipelines import DemoParams


class Wanted(Params):
    """Parameters of today."""

    cents: int


class Region(StrEnum):
    """Where."""

    EU = "eu"


class Level(IntEnum):
    """How much."""

    HIGH = 2


class Chosen(Params):
    """Parameters that JSON has no type for."""

    region: Region
    level: Level = Level.HIGH


def test_old_parameters_are_taken_upgraded_or_refused() -> None:
    upgrade = lambda params: {"cents": 100 * params["amount"]}  # noqa: E731
    pipeline = Pipeline("p", Wanted, upgrade=upgrade)
    assert pipeline.accept({"cents": 5}) == Wanted(cents=5)
    assert pipeline.accept({"amount": 5}) == Wanted(cents=500)
    with pytest.raises(Refused, match="upgrade: KeyError: 'amount'"):
        pipeline.accept({})
    with pytest.raises(Refused, match="cents: Field required"):
        Pipeline("p", Wanted).accept({"amount": 5})


@pytest.mark.parametrize("error", [KeyError("price"), SystemExit(3), RecursionError(), GeneratorExit("x")])
@pytest.mark.parametrize("place", ["validator", "upgrade"])
def test_whatever_the_code_of_a_pipeline_raises_is_a_refusal(error: BaseException, place: str) -> None:
    def fail(_: Any) -> Any:
        raise error

    class Checked(Params):
        cents: Annotated[int, AfterValidator(fail if place == "validator" else int)]

    said = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    with pytest.raises(Refused) as caught:
        Pipeline("p", Checked, upgrade=fail).accept({"cents": 5} if place == "validator" else {})
    assert str(caught.value) == (said if place == "validator" else f"upgrade: {said}")


def test_an_upgrade_works_on_parameters_of_its_own() -> None:
    def in_cents(params: dict[str, Any]) -> dict[str, Any]:
        params["item"]["price"] *= 100
        return {"cents": params["item"]["price"]}

    stored = {"item": {"price": 3}}
    pipeline = Pipeline("p", Wanted, upgrade=in_cents)
    assert [pipeline.accept(stored) for _ in range(3)] == [Wanted(cents=300)] * 3
    assert stored == {"item": {"price": 3}}


def test_the_digest_of_parameters_changes_with_what_they_are() -> None:
    class More(Wanted):
        note: str = ""

    def upgrade(params: dict[str, Any]) -> dict[str, Any]:
        return params

    digests = [Pipeline("p", model).params_digest() for model in (Wanted, Wanted, More, Params)]
    assert digests[0] == digests[1]
    assert len({*digests, Pipeline("p", Wanted, upgrade=upgrade).params_digest()}) == 4


def test_an_enumeration_is_taken_from_its_values() -> None:
    pipeline = Pipeline("chosen", Chosen, "")
    given = {"region": "eu", "level": 2}
    assert checked(pipeline, given, where=()) == given
    taken = pipeline.accept(given)
    assert taken == Chosen(region=Region.EU, level=Level.HIGH)
    for wrong in ({"region": "us"}, {"region": "eu", "level": "2"}):
        with pytest.raises(Invalid):
            checked(pipeline, wrong, where=())
        with pytest.raises(Refused):
            pipeline.accept(wrong)


class Typed(Params):
    """What JSON has no form of its own for."""

    at: datetime | None = None
    price: Decimal = Decimal("1.10")
    tags: tuple[str, ...] = ()
    sizes: frozenset[int] = frozenset()
    count: int = 0


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"at": "2026-01-01T00:00:00Z", "price": "1.5", "tags": ["a"], "sizes": [1, 2], "count": 24.0},
        Typed(at=datetime(2026, 1, 1, tzinfo=UTC), tags=("b",)).model_dump(mode="json"),
    ],
)
def test_params_of_any_type_are_taken_as_they_are_stored(given: dict[str, Any]) -> None:
    pipeline = Pipeline("typed", Typed)
    stored = checked(pipeline, given, where=("body", "params"))
    accepted = pipeline.accept(json.loads(json.dumps(stored)))
    assert isinstance(accepted, Typed)
    assert accepted == Typed.model_validate_json(json.dumps(stored))
    assert (type(accepted.price), type(accepted.tags), type(accepted.count)) == (Decimal, tuple, int)
    with pytest.raises(Invalid, match="count"):
        checked(pipeline, {"count": 24.5}, where=("body", "params"))


class Inner(BaseModel):
    """In a set."""

    model_config = ConfigDict(frozen=True)
    names: frozenset[str]


class Sets(Params):
    """What has no order of its own, at any depth."""

    mixed: frozenset[int | str | None] = frozenset()
    numbers: frozenset[int] = frozenset()
    inner: dict[Region, list[set[Inner]]]
    root: RootModel[set[str]]


def test_sets_are_stored_in_one_order() -> None:
    pipeline = Pipeline("sets", Sets, unique=["mixed"])
    numbers = [8 * n for n in range(40)]
    names = [["a", "b", "c"], ["b"], ["d", "e"]]
    for _ in range(5):
        given = {
            "mixed": [None, "b", 10, 9, "a"],
            "numbers": numbers,
            "inner": {"eu": [[{"names": each} for each in names]]},
            "root": ["y", "x"],
        }
        stored = checked(pipeline, given, where=("body", "params"))
        assert stored == {
            "mixed": [9, 10, "a", "b", None],
            "numbers": sorted(numbers),
            "inner": {"eu": [[{"names": each} for each in sorted(map(sorted, names))]]},
            "root": ["x", "y"],
        }
        assert pipeline.unique_key(stored) == '{"mixed":[9,10,"a","b",null]}'
        for each in (numbers, names, *names):
            random.shuffle(each)  # type: ignore[arg-type]


class Held(Params):
    """Where no type says that there may be a set."""

    anything: Any = None
    made: Annotated[Sequence[int], AfterValidator(frozenset)] = ()


def test_a_set_that_no_type_declares_has_one_order_too() -> None:
    numbers = [8 * n for n in range(40)]
    given = Held.model_validate({"anything": [{"in": {*numbers}}], "made": numbers[::-1]})
    assert as_json(given) == {"anything": [{"in": numbers}], "made": numbers}


class Named(Params):
    """What is said otherwise, or computed."""

    from_day: int = Field(alias="from")
    to: int = Field(9, validation_alias=AliasChoices("until", "to_day"))
    limit: Json[int] = 3

    @computed_field
    def days(self) -> int:
        """Not given by anybody."""
        return self.to - self.from_day


@pytest.mark.parametrize("given", [{"from": 2, "until": 5}, {"from_day": 2, "to_day": 5}, {"from": 2, "to": 5.0}])
def test_params_with_aliases_are_read_from_what_is_stored_of_them(given: dict[str, Any]) -> None:
    pipeline = Pipeline("named", Named)
    stored = checked(pipeline, given, where=("body", "params"))
    assert stored == {"from_day": 2, "to": 5, "limit": "3"}
    accepted = pipeline.accept(stored)
    assert (accepted, accepted.model_dump()) == (
        Named.model_validate(given),
        {"from_day": 2, "to": 5, "limit": 3, "days": 3},
    )


class Marked(Params):
    """What is written as nobody can read it."""

    count: int

    @field_serializer("count")
    def mark(self, count: int) -> str:
        """As text."""
        return f"#{count}"


def test_params_that_no_worker_could_read_are_refused_at_once() -> None:
    with pytest.raises(
        Invalid, match="What is stored of them cannot be read again: count: Input should be a valid int"
    ):
        checked(Pipeline("marked", Marked), {"count": 1}, where=("body", "params"))


def test_params_are_the_body_of_ones_own_route_as_well() -> None:
    app = FastAPI()

    @app.post("/orders")
    def order(params: Typed) -> dict[str, str]:
        return {"params": repr(params)}

    body = {"at": "2026-01-01T00:00:00Z", "price": "1.5", "tags": ["a"], "sizes": [1], "count": 24.0}
    with TestClient(app) as client:
        assert client.post("/orders", json=body).json() == {"params": repr(read(Typed, body))}
        wrong = client.post("/orders", json={**body, "count": "24", "price": "much", "colour": "red"})
    assert wrong.status_code == 422
    places = [each["loc"] for each in wrong.json()["detail"]]
    assert places == [["body", "price"], ["body", "count"], ["body", "colour"]]
    assert Typed(price=Decimal(2)) == Typed.model_validate({"price": "2"})
    with pytest.raises(ValidationError, match="valid integer"):
        Typed(count="24")  # type: ignore[arg-type]


class Nested(Params):
    """A model that names itself."""

    price: Decimal
    parts: tuple["Nested", ...] = ()


class Stripped(Params):
    """What knows only what comes from outside."""

    name: str
    at: datetime

    @field_validator("name", mode="before")
    @classmethod
    def strip(cls, name: str) -> str:
        """Of what clients write."""
        return name.strip()


class Renamed(Typed):
    """What older clients call otherwise."""

    @model_validator(mode="before")
    @classmethod
    def rename(cls, given: Any) -> Any:
        """As it is called now."""
        return {("price" if name == "cost" else name): value for name, value in given.items()}

    @model_validator(mode="wrap")
    @classmethod
    def look(cls, given: Any, handler: Callable[[Any], Any]) -> Any:
        """From outside."""
        return handler(given)

    @model_validator(mode="after")
    def agree(self) -> "Renamed":
        """At the end."""
        if self.count > 9:
            raise ValueError("too many")
        return self


class Dated(Typed):
    """What is given an object that JSON has not."""

    @model_validator(mode="before")
    @classmethod
    def date(cls, given: Any) -> Any:
        """Now, so to speak."""
        return {"at": datetime(2026, 1, 1, tzinfo=UTC), **given}


@pytest.mark.parametrize("given", [{"cost": "1.5", "at": "2026-01-01T00:00:00Z", "tags": ["a"], "count": 2.0}])
def test_validators_around_params_are_given_what_they_give_on(given: dict[str, Any]) -> None:
    for found in (read(Renamed, given), Renamed.model_validate(given), Renamed.model_validate_json(json.dumps(given))):
        assert (found.price, found.at, found.tags) == (Decimal("1.5"), datetime(2026, 1, 1, tzinfo=UTC), ("a",))
    pipeline = Pipeline("renamed", Renamed)
    assert pipeline.accept(checked(pipeline, given, where=("body", "params"))).price == Decimal("1.5")  # type: ignore[attr-defined]
    for wrong in ({"count": 10}, {"cost": "x"}, {"count": "1"}, {"odd": 1}):
        with pytest.raises(Invalid):
            checked(pipeline, wrong, where=("body", "params"))
    assert checked(Pipeline("dated", Dated), {}, where=("body", "params"))["at"] == "2026-01-01T00:00:00Z"


def test_validators_of_what_comes_from_outside_end_no_request() -> None:
    given = {"name": " a ", "at": "2026-01-01T00:00:00Z"}
    assert Stripped.model_validate(given) == Stripped(name="a", at=datetime(2026, 1, 1, tzinfo=UTC))


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _around(value: Any, handler: Callable[[Any], Any]) -> Any:
    return handler(value)


def _dated(day: Any) -> Any:
    return date(2026, 1, day) if isinstance(day, int) else day


Strip = BeforeValidator(_stripped)


class Validated(Params):
    """What has validators before or around a field, or a part of one, of which JSON has no form of its own."""

    at: Annotated[datetime, Strip]
    price: Annotated[Decimal, Field(gt=0), WrapValidator(_around)] = Decimal(1)
    days: dict[str, list[Annotated[date, Strip]]]
    sizes: Annotated[tuple[int, ...], BeforeValidator(lambda sizes: [*sizes])] = ()
    pair: Annotated[Any, BeforeValidator(tuple)] = ()
    made: Annotated[date | None, BeforeValidator(_dated)] = None
    parts: Annotated[tuple["Validated", ...], WrapValidator(_around)] = ()

    @field_validator("at", mode="before")
    @classmethod
    def spell(cls, at: Any) -> Any:
        """As RFC 3339 has it."""
        return at.strip().replace(" ", "T") if isinstance(at, str) else at


def test_validators_of_a_field_are_given_what_they_give_on() -> None:
    pipeline = Pipeline("validated", Validated)
    given = {
        "at": " 2026-01-01 00:00:00Z",
        "price": "1.5",
        "days": {"a": [" 2026-01-01 "]},
        "sizes": [1, 2.0],
        "pair": [1, 2],
        "made": 5,
        "parts": [{"at": "2026-01-02T00:00:00Z", "price": 2, "days": {}}],
    }
    stored = checked(pipeline, given, where=("body", "params"))
    assert stored["parts"][0]["at"] == "2026-01-02T00:00:00Z"
    found = pipeline.accept(stored)
    assert isinstance(found, Validated)
    assert (found.at, found.price, found.made) == (datetime(2026, 1, 1, tzinfo=UTC), Decimal("1.5"), date(2026, 1, 5))
    assert (found.days, found.sizes, found.pair) == ({"a": [date(2026, 1, 1)]}, (1, 2), (1, 2))
    assert Validated.model_validate(given) == Validated.model_validate_json(json.dumps(given)) == found
    wrong = {"at": "x", "price": "-1", "days": {"a": ["x"]}, "sizes": ["1"], "parts": [{"at": 5, "days": {}}]}
    with pytest.raises(Invalid) as refused:
        checked(pipeline, wrong, where=("body", "params"))
    assert [each.loc[2:] for each in refused.value.errors] == [
        ("at",),
        ("price",),
        ("days", "a", 0),
        ("sizes", 0),
        ("parts", 0, "at"),
    ]


class Dict(TypedDict):
    """A type whose validators of their own are no model's: a dictionary, …"""

    at: Annotated[datetime, Strip]


class Tuple(NamedTuple):
    """… a tuple, …"""

    at: Annotated[datetime, Strip]


@dataclass
class Data:
    """… and a dataclass."""

    at: Annotated[datetime, Strip]


@pytest.mark.parametrize("wanted", [Dict, Tuple, Data])
@pytest.mark.parametrize("place", ["alone", "validated", "in a list"])
def test_validators_within_any_type_are_given_what_they_give_on(wanted: Any, place: str) -> None:
    types: dict[str, Any] = {"alone": wanted, "validated": Annotated[wanted, Strip], "in a list": tuple[wanted, ...]}
    pipeline = Pipeline("within", create_model("Within", __base__=Params, of=types[place]))
    of: Any = [" 2026-01-01T00:00:00Z "] if wanted is Tuple else {"at": " 2026-01-01T00:00:00Z "}
    given = {"of": [of] if place == "in a list" else of}
    stored = checked(pipeline, given, where=("body", "params"))
    assert "2026-01-01T00:00:00Z" in json.dumps(stored)
    assert pipeline.accept(stored) == pipeline.params.model_validate(given)


@pytest.mark.parametrize("name", ["metadata", "default", "function", "serialization", "fields", "type", "cls"])
def test_a_field_may_have_the_name_of_something_in_a_schema(name: str) -> None:
    fields: dict[str, Any] = {name: Annotated[datetime, Strip]}
    pipeline = Pipeline("named", create_model("Any", __base__=Params, **fields))
    assert pipeline.runs_own_code
    assert checked(pipeline, {name: "2026-01-01T00:00:00Z"}, where=("body", "params"))


class Asking(Params):
    """What asks somebody."""

    def check(self) -> None:
        """Ask."""


class Prepared(Params):
    """What has a function that pydantic calls at the end."""

    def model_post_init(self, _: Any) -> None:
        """Prepare."""


class Within(BaseModel):
    """A model of somebody's, of which a field asks."""

    count: Annotated[int, AfterValidator(lambda count: count)] = 1


class Around(Params):
    """What has that in it."""

    parts: dict[str, list[Within]]


class Shown(Params):
    """What is written by a function."""

    at: datetime

    @field_serializer("at")
    def show(self, at: datetime) -> str:
        """As it is written."""
        return at.isoformat()


@pytest.mark.parametrize("model", [Stripped, Asking, Prepared, Around, Shown], ids=lambda each: each.__name__)
def test_params_that_call_functions_of_somebodys_are_told_from_others(model: type[Params]) -> None:
    assert Pipeline("p", model).runs_own_code


@pytest.mark.parametrize(
    "model", [Params, Wanted, Chosen, Typed, Named, Nested, DemoParams], ids=lambda each: each.__name__
)
def test_params_of_types_alone_call_nobody(model: type[Params]) -> None:
    assert not Pipeline("p", model).runs_own_code


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (Nested, {"price": "2", "parts": [{"price": "1", "parts": []}]}),
        (Nested, {"price": "2", "parts": [{"price": "x"}]}),
        (DemoParams, {"step_seconds": 2}),
        (DemoParams, {"step_seconds": "2", "other": 1}),
        (DemoParams, {"step_seconds": math.nan}),
        (Params, {str(number): 1 for number in range(500)}),
    ],
)
def test_params_of_types_alone_are_read_as_all_others(model: type[Params], given: Any) -> None:
    def told(by: Callable[[type[Params], Any], Any]) -> Any:
        try:
            return by(model, given)
        except ValidationError as error:
            return error.errors(include_url=False)
        except ValueError as error:
            return str(error)

    assert told(read_params) == told(read)


class Mail(Params):
    """One way to tell."""

    kind: Literal["mail"]
    at: datetime


class Call(Params):
    """Another."""

    kind: Literal["call"]
    cost: Decimal


class Told(Params):
    """Params within params, of which one field says which."""

    how: Annotated[Mail | Call, Field(discriminator="kind")]


@pytest.mark.parametrize("how", [{"kind": "mail", "at": "2026-01-01T00:00:00Z"}, {"kind": "call", "cost": "1.50"}])
def test_params_may_be_one_of_several(how: dict[str, Any]) -> None:
    pipeline = Pipeline("told", Told)
    stored = checked(pipeline, {"how": how}, where=("body", "params"))
    assert stored == {"how": how}
    assert pipeline.accept(stored) == Told.model_validate({"how": how})


def test_params_may_name_themselves() -> None:
    found = Nested.model_validate({"price": "2", "parts": [{"price": "1"}]})
    assert found.parts[0].price == Decimal(1)
    assert Pipeline("nested", Nested).schema()["$defs"]["Nested"]["required"] == ["price"]
