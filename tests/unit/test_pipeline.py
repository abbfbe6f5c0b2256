"""A pipeline that is declared wrong ends its process, with one line; and what a release makes of old parameters."""

import gc
import inspect
import json
import math
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from functools import partial
from pathlib import Path
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
from background.base.strict import read
from background.jobs import new_job, states
from background.jobs.checks import checked
from background.jobs.declared import is_async, source
from background.jobs.params import read_params
from background.jobs.pipeline import (
    DeclaredWrong,
    NoRetry,
    Params,
    Pipeline,
    Refused,
    RetryLater,
    StepContext,
    exponential,
    fixed,
)
from background.pipelines import DemoParams
from tests.support import ROOT


class Wanted(Params):
    """Parameters of today."""

    cents: int


def plain(context: StepContext, params: Params) -> int:
    """A step."""
    return 1


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


def undecorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that forgets the function's name."""

    def wrapper(context: StepContext, params: Params) -> Any:
        return function(context, params)

    return wrapper


async def later(context: StepContext, params: Params) -> int:
    """No step yet."""
    return 1


def generated(context: StepContext, params: Params) -> Any:
    """No step either."""
    yield 1


async def generated_later(context: StepContext, params: Params) -> Any:
    """Nor this."""
    yield 1


class Later:
    """An object that is called, and has a name."""

    __name__ = "later"

    async def __call__(self, context: StepContext, params: Params) -> int:
        """As `later`."""
        return await later(context, params)


class Nameless:
    """An object that is called."""

    def __call__(self, context: StepContext, params: Params) -> int:
        """As `plain`."""
        return plain(context, params)


def named(name: Any) -> Any:
    """A step of this name."""
    step = Nameless()
    step.__name__ = name  # type: ignore[attr-defined]
    return step


def test_a_second_step_of_one_name_is_refused() -> None:
    pipeline = Pipeline("p", Params)
    pipeline.step(plain)
    with pytest.raises(DeclaredWrong, match="Step 'plain' of pipeline 'p' is there twice"):
        pipeline.step(plain)
    pipeline.step(undecorated(plain))
    with pytest.raises(DeclaredWrong, match=r"'wrapper'.*functools\.wraps"):
        pipeline.step(undecorated(later))


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (generated, "is a generator"),
        (generated_later, "is an async generator"),
        (partial(later), "has no name of its own"),
        ("plain", "must be a function"),
        (Nameless, "must be a function"),
        (lambda _: 1, "two arguments"),
        (lambda context, params, more: (context, params, more), "two arguments"),
        (lambda context, params, *, more: (context, params, more), "two arguments"),
        (lambda: 1, "two arguments"),
        (lambda *_: 1, "has no name of its own"),
        (partial(plain), "has no name of its own"),
        (Nameless(), "has no name of its own"),
    ],
)
def test_a_step_that_cannot_be_called_is_refused(step: Any, why: str) -> None:
    with pytest.raises(DeclaredWrong, match=why) as caught:
        Pipeline("p", Params).step(step)
    assert_names(caught.value, "pipeline 'p'")


def assert_names(error: DeclaredWrong, what: str) -> None:
    """It is one line that says where to look, and not a long one."""
    text = str(error)
    assert what in text
    assert text.isprintable()
    assert len(text) < 400


@pytest.mark.parametrize("step", [later, Later()])
def test_a_step_may_be_async(step: Any) -> None:
    pipeline = Pipeline("p", Params)
    pipeline.step(step)
    assert is_async(pipeline.steps["later"])
    assert not is_async(plain)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"max_attempts": 0}, "max_attempts must be a whole number from 1"),
        ({"max_attempts": True}, "max_attempts must be a whole number from 1"),
        ({"max_waits": 0}, "max_waits must be a whole number from 1"),
        ({"max_waits": None}, "max_waits must be a whole number from 1"),
        ({"retry_on": ()}, "to try only once, say max_attempts=1"),
        ({"retry_on": ValueError}, "must be a tuple of exceptions"),
        ({"retry_on": (KeyboardInterrupt,)}, "must name exceptions"),
        ({"backoff": 5}, "must be fixed"),
        ({"timeout": 0}, "timeout=60"),
        ({"timeout": "60"}, "timeout=60"),
        ({"attempts": 3}, "unexpected keyword argument 'attempts'"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(declared: Any, why: str) -> None:
    with pytest.raises(DeclaredWrong, match=why) as caught:
        Pipeline("p", Params).step(**declared)
    assert_names(caught.value, "Pipeline 'p'")


def test_a_policy_is_that_of_its_step() -> None:
    pipeline = Pipeline("p", Params)
    pipeline.step(retry_on=(KeyError,), backoff=fixed(5), max_attempts=9, timeout=60)(plain)
    pipeline.step(later)
    own = pipeline.policy("plain")
    assert [own.tries_again(each) for each in (KeyError(), ValueError(), NoRetry(), SystemExit())] == [
        True,
        False,
        False,
        True,
    ]
    assert own.limit(4, failures=1, max_attempts=3) == {"failures": 4, "max_attempts": 9, "own": True}
    assert (own.backoff.seconds(1), own.backoff.seconds(70), pipeline.timeouts) == (5, 5, {"plain": 60})
    usual = pipeline.policy("later")
    assert usual.tries_again(ValueError())
    assert usual.limit(4, failures=1, max_attempts=3) == {"failures": 1, "max_attempts": 3}


def test_a_pause_grows_up_to_its_bound() -> None:
    grows = exponential(2, factor=3, most=100, jitter=0)
    assert [grows.seconds(number) for number in (1, 2, 3, 4, 5, 10_000)] == [2, 6, 18, 54, 100, 100]
    assert {fixed(4, jitter=1).seconds(3, chance=chance) for chance in (0, 0.5, 1)} == {0, 2, 4}


@pytest.mark.parametrize("declared", [{"first": -1}, {"factor": 0.5}, {"most": 0.5}, {"jitter": 2}, {"first": "1"}])
def test_a_pause_that_makes_no_sense_is_refused(declared: Any) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(declared))} must be a number"):
        exponential(**declared)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "5", None, True, 1e9])
def test_later_is_a_time_that_comes(seconds: Any) -> None:
    with pytest.raises(ValueError, match="RetryLater takes from 0 to 604,800 seconds"):
        RetryLater(seconds)


def test_later_comes_from_another_process_as_it_was_made() -> None:
    later = RetryLater(5, "429")
    later.add_note("of the service")
    again = pickle.loads(pickle.dumps(later))  # noqa: S301  (our own)
    assert (again.seconds, again.reason, str(again), again.__notes__) == (5, "429", "429", ["of the service"])


def test_an_object_with_a_name_is_a_step() -> None:
    pipeline = Pipeline("p", Params)
    pipeline.step_within(2.5)(named("x" * 100))
    assert (list(pipeline.steps), pipeline.timeouts) == (["x" * 100], {"x" * 100: 2.5})


@pytest.mark.parametrize(
    "seconds", [-1, 0, math.nan, math.inf, "60", None, True, plain, pytest.param(10**400, id="huge")]
)
def test_a_time_that_no_step_can_have_is_refused(seconds: Any) -> None:
    with pytest.raises(DeclaredWrong, match=r"step_within\(60\)") as caught:
        Pipeline("p", Params).step_within(seconds)
    assert_names(caught.value, "Pipeline 'p'")


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\0b", "a\nb", "\ud800", 7], ids=ascii)
def test_a_name_that_nothing_can_have_is_refused(name: Any) -> None:
    with pytest.raises(DeclaredWrong, match="1 to 100 printable characters") as caught:
        Pipeline(name, Params)
    assert_names(caught.value, "The name of a pipeline")
    with pytest.raises(DeclaredWrong, match="1 to 100 printable characters") as caught:
        Pipeline("p", Params).step(named(name))
    assert_names(caught.value, "The name of a step of pipeline 'p'")


async def upgrade_later(params: dict[str, Any]) -> dict[str, Any]:
    """No upgrade."""
    return params


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"params": dict}, "derived from Params"),
        ({"params": Params()}, "derived from Params"),
        ({"params": BaseModel}, "derived from Params"),
        ({"description": 7}, "must be text"),
        ({"upgrade": {"a": 1}}, "must be a function"),
        ({"upgrade": lambda *, more: more}, "must take one argument: the parameters"),
        ({"upgrade": upgrade_later}, "is async"),
    ],
)
def test_a_pipeline_that_is_declared_wrong_is_refused(declared: Any, why: str) -> None:
    with pytest.raises(DeclaredWrong, match=why) as caught:
        Pipeline(**{"name": "p", "params": Params, **declared})
    assert_names(caught.value, "Pipeline 'p'")


MODULES = {
    "one": "p = Pipeline('p', Params)\np.step(plain)",
    "two": "p = Pipeline('p', Params)\np.step(plain)",
    "empty": "",
    "stepless": "p = Pipeline('p', Params)",
    "garbled": "p = = 1",
    "lacking": "import nowhere",
    "broken": "raise ValueError('no\\nluck')",
    "quitting": "import sys\nsys.exit(0)",
    "unresolved": "class P(Params):\n    at: 'Nowhere'\np = Pipeline('p', P)\np.step(plain)",
    "shapeless": "class P(Params):\n    f: Callable[[], int]\np = Pipeline('p', P)\np.step(plain)",
    "patient": "p = Pipeline('p', Params)\np.step_within(3601)(plain)",
    "unstorable": "@(p := Pipeline('p', Params)).step\ndef send(context, params) -> open: pass",
    "secret": "class P(Params):\n    key: SecretStr\np = Pipeline('p', P)\np.step(plain)",
    "excluded": "class P(Params):\n    key: str = Field('', exclude=True)\np = Pipeline('p', P)\np.step(plain)",
    "hidden": "p = Pipeline('p', Params)\np.step_within(plain)",
    "sound": "class P(Params):\n    at: 'Later'\np = Pipeline('p', P)\np.step(plain)\nclass Later(Params): pass",
}
HEAD = """from typing import Callable
from pydantic import Field, SecretStr
from background.jobs.pipeline import Params, Pipeline
def plain(context, params): pass
"""
LINE = HEAD.count("\n") + 1
WRONG = {
    "one,two": "There are two pipelines 'p'; the second is declared in two.",
    ",": "PIPELINES: '' is not the name of a module.",
    "one,": "PIPELINES: '' is not the name of a module.",
    ".one": "PIPELINES: '.one' is not the name of a module.",
    "one two": "PIPELINES: 'one two' is not the name of a module.",
    "nowhere": "PIPELINES: nowhere: ModuleNotFoundError: No module named 'nowhere'",
    "empty": "PIPELINES: empty has no pipeline.",
    "stepless": "Pipeline 'p' has no steps.",
    "garbled": f"PIPELINES: garbled: SyntaxError: invalid syntax ({{home}}/garbled.py:{LINE})",
    "lacking": f"PIPELINES: lacking: ModuleNotFoundError: No module named 'nowhere' ({{home}}/lacking.py:{LINE})",
    "broken": f"PIPELINES: broken: ValueError: no luck ({{home}}/broken.py:{LINE})",
    "quitting": f"PIPELINES: quitting: SystemExit: 0 ({{home}}/quitting.py:{LINE + 1})",
    "unresolved": "Pipeline 'p': no JSON Schema can be made of its params: "
    "PydanticUndefinedAnnotation: name 'Nowhere' is not defined",
    "shapeless": "Pipeline 'p': no JSON Schema can be made of its params: PydanticInvalidForJsonSchema: "
    "Cannot generate a JsonSchema for core_schema.CallableSchema",
    "patient": "Step 'plain' of pipeline 'p' may take 3601 s, but JOB_TIME_LIMIT allows 3600 s.",
    "unstorable": "Step 'send' of pipeline 'p': it returns <built-in function open>, which has no form in JSON: ",
    "secret": "Pipeline 'p': its params have a secret, and all that is stored of them is shown.",
    "excluded": "Pipeline 'p': its params exclude key, so that no step would be given it.",
    "hidden": "Pipeline 'p': step_within takes the seconds that the step may take, as in step_within(60); "
    "it was given <function plain at",
}
WORKER = ["-m", "celery", "-A", "background.celery.celery_app", "worker"]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A directory with the modules."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(f"{HEAD}{text}\n")
    return tmp_path


def start(modules: Path, names: str, program: list[str]) -> subprocess.CompletedProcess[str]:
    """What a process does whose PIPELINES are these modules."""
    environment = {"PYTHONPATH": f"{ROOT}:{modules}", "PIPELINES": names, "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, *program], cwd=modules, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("names", "program"),
    [
        *((names, ["-c", "from background.jobs import registry; registry.pipelines()"]) for names in WRONG),
        ("broken", ["-m", "uvicorn", "main:app"]),
        *(("broken", [*WORKER, f"--pool={pool}"]) for pool in ("prefork", "threads", "solo")),
        ("one,two", ["-m", "background", "worker"]),
    ],
)
def test_a_process_that_imports_them_says_so_in_one_line(modules: Path, names: str, program: list[str]) -> None:
    done = start(modules, names, program)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(WRONG[names].format(home=modules))
    assert "Traceback" not in done.stderr


def test_what_is_declared_later_may_be_named(modules: Path) -> None:
    assert start(modules, "sound", ["-c", "import main"]).returncode == 0


def test_a_release_is_told_by_all_code_that_is_no_library(modules: Path) -> None:
    (modules / "helper.py").write_text("LIMIT = 1\n")
    (modules / "shop.py").write_text(f"{HEAD}import helper\np = Pipeline('p', Params)\np.step(plain)\n")
    program = ["-c", "from background.jobs import registry; print(registry.release())"]
    releases = [start(modules, "shop", program).stdout for _ in range(2)]
    (modules / "helper.py").write_text("LIMIT = 10\n")
    releases.append(start(modules, "shop", program).stdout)
    assert releases[0] == releases[1] != releases[2]


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


def test_what_none_of_the_workers_has_is_said() -> None:
    one = {"pay": {"steps": ["charge"]}}
    two = {"pay": {"steps": ["charge", "send"]}}

    def lacking(step: str, refused_by: list[str] | None = None, **crews: Any) -> Any:
        turned_away = None if refused_by is None else {"refused_by": refused_by, "error": "no"}
        return states.lacking("pay", step, turned_away=turned_away, crews=crews)

    assert lacking("charge") is None, "workers of a release that does not say what it has"
    assert lacking("charge", a={}) == {"code": "no_worker_has_pipeline", "pipeline": "pay"}
    assert lacking("send", a=one) == {"code": "no_worker_has_step", "pipeline": "pay", "step": "send"}
    assert lacking("send", a=one, b=two) is None
    assert lacking("charge", ["a"], a=one, b=two) is None
    assert lacking("send", ["b"], a=one, b=two) == {"code": "params_refused", "pipeline": "pay", "error": "no"}


@pytest.mark.parametrize(
    ("given", "reported"),
    [((0.5, 12345), (0.5, "12345")), ((math.nan, None), (0.0, None)), ((True, ""), (1.0, "")), ((7, "x"), (1.0, "x"))],
)
def test_what_a_step_reports_is_made_what_can_be_shown(given: Any, reported: Any) -> None:
    seen: list[Any] = []
    context = StepContext(
        job_id=1, step_number=1, attempt=1, report=lambda *report: seen.append(report), watch=lambda: None
    )
    context.progress(*given)
    assert seen == [reported]


def test_a_step_keeps_the_key_that_it_ever_had() -> None:
    keys = states.replanned(["take", "send"], None, ["take", "check", "send"])
    assert keys == {"take": 1, "send": 2, "check": 3}
    keys = states.replanned(["take", "check", "send"], keys, ["pack"])
    assert keys == {"take": 1, "send": 2, "check": 3, "pack": 4}
    assert states.replanned(["pack"], keys, ["take", "check"]) == keys


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


@pytest.mark.parametrize(
    "queue", ["", "a b", "a,b", "-Q", "x" * 101, "celery.0a1b2c3d4e5f", "unacked_index", 7, None, "안녕"]
)
def test_a_queue_whose_name_cannot_be_one_is_declared_wrong(queue: Any) -> None:
    with pytest.raises(DeclaredWrong, match="the name of a queue must be 1 to 100 letters"):
        Pipeline("odd", Params, queue=queue)


@pytest.mark.parametrize("queue", ["celery", "reports", "Heavy-2.eu:gpu_1", "x" * 100])
def test_a_queue_may_have_the_names_that_celery_users_give(queue: str) -> None:
    assert Pipeline("good", Params, queue=queue).queue == queue


@pytest.mark.parametrize("unique", ["cents", ["cents", "customer"], [1], {"cents"}, None])
def test_what_is_unique_names_params(unique: Any) -> None:
    with pytest.raises(DeclaredWrong, match=r"^Pipeline 'p': unique ") as caught:
        Pipeline("p", Wanted, unique=unique)
    assert "\n" not in str(caught.value)


def test_the_key_of_a_job_is_the_json_of_what_is_unique() -> None:
    class Order(Params):
        customer: dict[str, Any]
        city: str = "서울"

    key = Pipeline("p", Order, unique=("customer", "city")).unique_key
    assert (
        key({"customer": {"b": 1, "a": None}, "city": "서울", "x": 1}) == '{"city":"서울","customer":{"a":null,"b":1}}'
    )
    assert key({"customer": {"a": -0.0, "b": 1e22}, "city": "-0.0"}) == '{"city":"-0.0","customer":{"a":0.0,"b":1e+22}}'
    long = key({"customer": {"a": "x" * 300}, "city": ""})
    assert long is not None
    assert (long[:7], len(long)) == ("sha256:", 71)
    assert Pipeline("p", Order).unique_key({"customer": {}}) is None


def test_a_request_that_uses_nothing_new_has_the_digest_that_it_always_had() -> None:
    known = {"pipeline": "demo", "params": {}, "priority": 0, "delay_seconds": 0.0, "max_attempts": 3}
    row = {
        **known,
        "step_names": ["one"],
        "step_timeouts": [None],
        "tags": [],
        "unique_key": None,
        "unique_seconds": None,
    }
    digest = "9a7ca88b99fef73a9916c2c03f32fadedbfe2f4c95c91fade1fdbb8b73131c3f"
    assert new_job.digest(row) == digest
    assert new_job.digest({**row, "unique_key": "k"}) != digest


@pytest.fixture
def busy_collector() -> Iterator[None]:
    """Garbage is collected all the time, and other threads may go on then."""

    def yields(*_: object) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(yields)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(yields)


@pytest.mark.usefixtures("busy_collector")
def test_threads_may_read_sources_at_once() -> None:
    """As requests of an API do that has just started."""
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(source, [Params] * 200)
        assert {*found} == {inspect.getsource(Params)}


def test_an_api_has_read_all_sources_before_requests_have_it_use_threads() -> None:
    """Libraries use `ast` as well, and know nothing of our lock."""
    code = """
from background.app import create_app
from background.jobs import registry
create_app()
print(registry.abilities.cache_info().currsize)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "1\n"
