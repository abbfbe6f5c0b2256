"""A pipeline that is declared wrong ends its process, with one line."""

import gc
import inspect
import math
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import (
    BaseModel,
)

from background.jobs import new_job, states, waiting
from background.jobs.declared import is_async, source
from background.jobs.pipeline import (
    DeclaredWrong,
    NoRetry,
    Params,
    Pipeline,
    RetryLater,
    StepContext,
    exponential,
    fixed,
)
from tests.support import ROOT
from tests.unit.test_params import Wanted


def plain(context: StepContext, params: Params) -> int:
    """A step."""
    return 1


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


def test_what_none_of_the_workers_has_is_said() -> None:
    one = {"pay": {"steps": ["charge"]}}
    two = {"pay": {"steps": ["charge", "send"]}}

    def lacking(step: str, refused_by: list[str] | None = None, **crews: Any) -> Any:
        turned_away = None if refused_by is None else {"refused_by": refused_by, "error": "no"}
        return waiting.lacking("pay", step, turned_away=turned_away, crews=crews)

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
    # As a release has stored them that did not know the city, or the customer.
    assert key({"customer": {}}) == '{"city":"서울","customer":{}}'
    assert key({"city": "부산"}) is None


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
