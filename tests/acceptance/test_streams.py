"""Event streams as a client sees them, from real processes."""

import functools
import itertools
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.acceptance.event_streams import Api, Reader, blocks_of, events_of, make_job, read, write_event, written
from tests.support import Process, transaction, wait_for

DEMO = {"params": {"step_seconds": 0}}


@pytest.fixture
def job(client: httpx.Client, worker: Process) -> int:
    """A job that has ended."""
    number = int(client.post("/jobs", json=DEMO).json()["job_id"])
    wait_for(lambda: client.get(f"/jobs/{number}").json()["status"] == "COMPLETED")
    return number


@pytest.mark.usefixtures("worker")
def test_a_job_is_followed_to_its_end(client: httpx.Client) -> None:
    made = client.post("/jobs", json={"params": {"step_seconds": 0.3}}).json()
    found = read(client, f"/jobs/{made['job_id']}/events")
    history = client.get(f"/jobs/{made['job_id']}").json()["events"]
    first = int(found[0]["id"])
    assert [int(event["id"]) for event in found] == list(range(first, len(history) + 1))
    assert [event["kind"] for event in found] == [event["kind"] for event in history[first - 1 :]]
    assert found[-1]["kind"] == "completed"
    assert found[-1]["data"]["status"] == "COMPLETED"
    job = client.get(f"/jobs/{made['job_id']}").json()
    assert found[-1]["data"] == {name: value for name, value in job.items() if name != "events"}
    for event in found:
        steps = event["data"]["steps"]
        assert len(steps) >= (history[int(event["id"]) - 1]["step"] or 0), "older than its event"


def test_a_stream_goes_on_where_it_was_cut(client: httpx.Client, job: int) -> None:
    path = f"/jobs/{job}/events"
    history = client.get(f"/jobs/{job}").json()["events"]
    newest = len(history)
    assert [event["id"] for event in read(client, path)] == [str(newest)]
    assert [int(event["id"]) for event in read(client, path, last="0")] == list(range(1, newest + 1))
    assert [int(event["id"]) for event in read(client, f"{path}?last_event_id=2")] == list(range(3, newest + 1))
    # A browser that connects again sends the header to the URL it had.
    again = read(client, f"{path}?last_event_id=2", last="4")
    assert [int(event["id"]) for event in again] == list(range(5, newest + 1))
    for past in (newest, newest + 1, 2**31 - 1):
        assert client.get(path, headers={"Last-Event-ID": str(past)}).status_code == 204


def test_a_retried_job_goes_on_after_its_last_event(client: httpx.Client, job: int) -> None:
    newest = len(client.get(f"/jobs/{job}").json()["events"])
    client.post(f"/jobs/{job}/retry", json={"from_step": 3}).raise_for_status()
    found = read(client, f"/jobs/{job}/events", last=str(newest))
    assert [found[0]["kind"], found[-1]["kind"]] == ["retried", "completed"]
    assert [int(event["id"]) for event in found] == list(range(newest + 1, newest + len(found) + 1))


@pytest.mark.usefixtures("worker")
def test_a_run_a_member_and_a_job_are_followed_by_their_ids(client: httpx.Client, job: int) -> None:
    slow = {"chain": [{"task": "sleep", "args": [0.3]}, {"task": "add", "args": [2, 3], "immutable": True}]}
    body = {"chord": {"header": [slow, {"task": "add", "args": [1, 2]}], "body": {"task": "xsum"}}}
    run = client.post("/canvas", json=body).json()
    found = read(client, f"/result/{run['task_id']}/events")
    assert found[-1]["data"] == client.get(f"/result/{run['task_id']}").json()
    assert found[-1]["data"]["result"] == 8
    numbers = [int(event["id"]) for event in found]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    member = run["graph"]["nodes"][0]["id"]
    of_member = read(client, f"/result/{member}/events", last="0")
    assert [int(event["id"]) for event in of_member] == list(range(1, numbers[-1] + 1))
    assert of_member[-1]["data"]["run_id"] == run["task_id"]
    assert client.get(f"/result/{member}/events", headers={"Last-Event-ID": str(numbers[-1])}).status_code == 204
    task_id = client.get(f"/jobs/{job}").json()["task_id"]
    of_job = read(client, f"/result/{task_id}/events")
    assert [event["data"]["type"] for event in of_job] == ["job"]
    assert of_job[0]["data"] == client.get(f"/result/{task_id}").json()


def test_a_number_that_there_is_not_yet_is_as_good_as_the_newest(client: httpx.Client) -> None:
    job = client.post("/jobs", json={"delay_seconds": 3600}).json()["job_id"]
    run = client.post("/canvas", json={"task": "echo", "args": [1], "countdown": 600}).json()["task_id"]
    for path in (f"/jobs/{job}", f"/result/{run}"):
        with client.stream("GET", f"{path}/events", headers={"Last-Event-ID": str(2**31 - 1)}) as response:
            assert response.status_code == 200
            assert client.post(f"{path}/cancel").status_code == 202
            kinds = [event["kind"] for event in events_of(response.iter_lines())]
        assert kinds[0] == "cancelled"


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "²", "99999999999", "1-2-3"])
def test_an_id_that_is_none_is_refused(client: httpx.Client, job: int, last: str) -> None:
    for path in (f"/jobs/{job}/events", f"/result/{client.get(f'/jobs/{job}').json()['task_id']}/events"):
        answer = client.get(path, params={"last_event_id": last})
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    if last != "1-2-3":
        assert client.get("/events", params={"last_event_id": last}).status_code == 422


@pytest.mark.parametrize(
    "last",
    [
        "1-2",
        "99999999999999999999-1-1",
        "1-99999999999999999999-1",
        "1-1-99999999999",
        "1-2-3-4",
        "18446744073709551615-1-1",
    ],
)
def test_a_cursor_that_is_none_is_refused(client: httpx.Client, last: str) -> None:
    assert client.get("/events", params={"last_event_id": last}).status_code == 422


def test_who_was_cut_off_before_the_first_event_misses_none(client: httpx.Client) -> None:
    for _ in range(5):  # also where nobody has written anything in between
        start = beginning(client)
        assert beginning(client, last=start) == start
    job = client.post("/jobs", json={"delay_seconds": 3600}).json()["job_id"]
    client.post(f"/jobs/{job}/cancel").raise_for_status()
    with client.stream("GET", "/events", headers={"Last-Event-ID": start}) as response:
        of_job = (event for event in events_of(response.iter_lines()) if event["data"]["id"] == job)
        assert [event["kind"] for event in itertools.islice(of_job, 2)] == ["created", "cancelled"]


def beginning(client: httpx.Client, *, last: str | None = None) -> str:
    """The cursor that the stream of all jobs begins with."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", "/events", headers=headers) as response:
        assert response.status_code == 200, response.read()
        block = next(blocks_of(response.iter_lines()))
    assert list(block) == ["id"]
    return block["id"]


def test_what_does_not_exist_has_no_stream(client: httpx.Client) -> None:
    for path in ("/jobs/999999999/events", f"/result/{uuid4()}/events"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.get("/jobs/0/events").status_code == 422
    assert client.get("/result/x/events").status_code == 422


@pytest.fixture
def apis(postgres: object, valkey: object, tmp_path: Path) -> Iterator[list[Api]]:
    """Two API processes."""
    found = [Api(tmp_path / f"api-{number}.log") for number in range(2)]
    for api in found:
        api.start()
    yield found
    for api in found:
        api.stop()


def test_sigterm_ends_a_bare_uvicorn_with_open_streams(apis: list[Api]) -> None:
    url = f"http://127.0.0.1:{apis[0].port}"
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=url, timeout=20))
        made = client.post("/jobs", json={"delay_seconds": 3600}).json()
        paths = ["/events", "/events", f"/jobs/{made['job_id']}/events", f"/result/{made['task_id']}/events"]
        streams = [stack.enter_context(client.stream("GET", path)) for path in paths]
        assert [stream.status_code for stream in streams] == [200] * 4
        process = apis[0].process
        assert process is not None
        process.popen.send_signal(signal.SIGTERM)
        for stream in streams:
            list(stream.iter_lines())
        assert process.popen.wait(8) in (0, -signal.SIGTERM)
        assert "Traceback" not in process.output


def write_out_of_order(jobs: list[int], *, events: int, seed: int) -> None:
    """Write events of these jobs in transactions of which some are held open while others commit."""
    chance = random.Random(seed)
    for _ in range(events // 10):
        with transaction() as connection:
            for job_id in chance.choices(jobs, k=10):
                write_event(connection, job_id)
                time.sleep(chance.random() * 0.08)


def test_every_event_once_and_in_order(apis: list[Api]) -> None:
    """1,000 events of four writers; the client is cut off 20 times, and both processes are restarted."""
    with transaction() as connection:
        jobs = [make_job(connection) for _ in range(12)]
        first = make_job(connection)
    reader = Reader(apis, cuts=20)
    reader.start()

    def heard() -> bool:
        with transaction() as connection:
            write_event(connection, first)
        return bool(reader.ids)

    wait_for(heard, what="the first event")
    # Each writer has jobs of its own, so that transactions overlap and none waits for another.
    writers = [
        threading.Thread(target=write_out_of_order, args=(jobs[number::4],), kwargs={"events": 250, "seed": number})
        for number in range(4)
    ]
    for writer in writers:
        writer.start()
    for api in apis:
        wait_for(functools.partial(reader.has, len(reader.ids) + 50), what="the next events")
        api.stop()
        api.start()
    for writer in writers:
        writer.join()
    expected = written(jobs)
    assert len(expected) == 1000

    def received() -> list[str]:
        return [each for each in reader.ids if int(each.split("-")[1]) in jobs]

    wait_for(lambda: len(received()) >= 1000, what="all events")
    reader.done.set()
    heard()
    reader.join(30)
    assert reader.cuts <= 0
    assert received() == expected
