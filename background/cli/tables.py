"""Answers of the API as a reader wants them. All text in them is cleaned: it may come from anybody."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from background.cli.text import clean, clock, duration, short

Json = Mapping[str, Any]

GAP = 2
"""Spaces between columns."""
LEAST = 32
"""Text that has fewer columns than these is hard to read."""

COLOURS = {
    "COMPLETED": "green",
    "SUCCESS": "green",
    "alive": "green",
    "IN_PROGRESS": "cyan",
    "STARTED": "cyan",
    "RETRY": "yellow",
    "PENDING": "yellow",
    "FAILED": "red",
    "FAILURE": "red",
    "lost": "red",
    "CANCELLED": "magenta",
    "REVOKED": "magenta",
    "SKIPPED": "bright_black",
}


def state(status: str) -> Text:
    """A status in its colour."""
    return Text(clean(status), COLOURS.get(status, ""))


def jobs_table(jobs: Sequence[Json]) -> RenderableType:
    """Jobs in the order given, with what each is doing or why it does not."""
    if not jobs:
        return "There are no such jobs. Submit one: python -m background submit"
    rows = ([job["id"], job["pipeline"], state(job["status"]), *_course(job)] for job in jobs)
    return _Rows(["job", "pipeline", "status", "attempt", "created", "what"], rows)


def _course(job: Json) -> list[object]:
    running = [f"step {each['step_number']} {each['name']}, {each['progress']:.0%}" for each in _open_steps(job)]
    outcome = None if job["result"] is None else short(job["result"])
    if "result" in job["cut"]:
        outcome = f"a large result: see job {job['id']}"
    what = job["waiting_for"] or job["error"] or ", ".join(running) or outcome or ""
    return [f"{job['attempt']}", clock(job["created_at"]), what]


def _open_steps(job: Json) -> list[Json]:
    return [step for step in job["steps"] if step["status"] == "IN_PROGRESS"]


def job_details(job: Json) -> RenderableType:
    """One job with its steps and its history."""
    facts = {
        "params": short(job["params"], 200),
        "attempt": f"{job['attempt']}, at most {job['max_attempts']} failures",
        "priority": job["priority"],
        "created": clock(job["created_at"]),
        "started": clock(job["started_at"]),
        "ended": clock(job["finished_at"]),
        "ran": None if job["running_seconds"] is None else f"{job['running_seconds']:.2f} s",
        "worker": job["worker"],
        "waits": job["waiting_for"],
        "result": None if job["result"] is None else short(job["result"], 1000),
        "error": job["error"],
    }
    title = Text.assemble(f"Job {job['id']}, {clean(job['pipeline'])}: ", state(job["status"]))
    steps = _Rows(
        ["step", "name", "status", "attempt", "took", "message"],
        (
            [
                step["step_number"],
                step["name"],
                state(step["status"]),
                step["attempt"],
                duration(step["started_at"], step["completed_at"]) or f"{step['progress']:.0%}",
                step["message"],
            ]
            for step in job["steps"]
        ),
    )
    history = _Rows(
        ["event", "at", "what", "step", "attempt", "by", "message"],
        (
            [
                event["number"],
                clock(event["at"]),
                event["kind"],
                event["step_name"],
                event["attempt"],
                event.get("actor") or event["worker"],
                event["error"] or event["message"],
            ]
            for event in job.get("events", [])
        ),
    )
    events = job.get("events") or [{"number": 1}]
    older = f"Older events: job {job['id']} --events-before {events[0]['number']}" if events[0]["number"] > 1 else ""
    return Group(title, _facts(facts), *([steps] if job["steps"] else []), *([older] if older else []), history)


def ending(job: Json) -> Text:
    """How a job has ended, on a line."""
    why = job["error"] if job["result"] is None else short(job["result"], 200)
    return Text.assemble(f"Job {job['id']} is ", state(job["status"]), f": {clean(why)}" if why else "")


def workers_table(workers: Sequence[Json]) -> RenderableType:
    """Who is alive, who was lost, and what each runs."""
    if not workers:
        return "No worker has been seen. Start one: python -m background worker"
    rows = (
        [
            worker["name"],
            state(worker["status"]),
            f"{worker['pool']}, {worker['concurrency']}",
            worker["pid"],
            clock(worker["seen_at"]),
            "\n".join(_work(each) for each in worker["running"]),
        ]
        for worker in workers
    )
    return _Rows(["worker", "status", "pool", "pid", "last seen", "runs"], rows)


def _work(work: Json) -> str:
    step = f", step {work['step']}" if work["step"] is not None else ""
    return f"{work['type']} {work['id']} {work['name']}{step}"


def documents_table(documents: Sequence[Json]) -> RenderableType:
    """The stored documents."""
    if not documents:
        return "There are no documents. Add one: python -m background documents add FILE"
    return _Rows(["name", "bytes", "type"], ([each["name"], each["size"], each["type"]] for each in documents))


def queues_table(queues: Sequence[Json]) -> RenderableType:
    """Queues with what waits and runs in each, and what holds that back."""
    rows = (
        [
            each["name"],
            each["workers"] or "none serves it",
            each["waiting"],
            each["running"],
            ", ".join(_holds(each)) or "-",
        ]
        for each in queues
    )
    return _Rows(["queue", "workers", "waiting", "running", "held back by"], rows)


def _holds(queue: Json) -> Iterator[str]:
    if queue["paused"]:
        yield "a pause"
    if queue["concurrency"] is not None:
        yield f"{queue['concurrency']:,} at once"
    if queue["rate"] is not None:
        yield f"{queue['rate']['count']:,} in {queue['rate']['seconds']:,.12g} s"


def schedules_table(schedules: Sequence[Json]) -> RenderableType:
    """Schedules with what is next."""
    if not schedules:
        return 'There are no schedules. Make one: python -m background schedules add nightly demo --cron "0 3 * * *"'
    rows = (
        [each["id"], each["name"], each["pipeline"], _rhythm(each), _next(each), each["last_job_id"]]
        for each in schedules
    )
    return _Rows(["schedule", "name", "pipeline", "when", "next", "last job"], rows)


def schedule_details(schedule: Json) -> RenderableType:
    """One schedule with its next times."""
    facts = {
        "pipeline": schedule["pipeline"],
        "params": short(schedule["params"], 200),
        "when": _rhythm(schedule),
        "missed": "each is made up for" if schedule["catch_up"] else "one job for all",
        "next": "\n".join(map(clock, schedule["next_runs"])) or _next(schedule),
        "last job": schedule["last_job_id"],
        "declared": "in code" if schedule["declared"] else None,
        "error": schedule["last_error"],
    }
    return Group(Text(f"Schedule {schedule['id']}, {clean(schedule['name'])}"), _facts(facts))


def _rhythm(schedule: Json) -> str:
    if schedule["cron"] is None:
        return f"every {schedule['every_seconds']:,.12g} s"
    return f"{schedule['cron']} {schedule['timezone']}"


def _next(schedule: Json) -> str:
    return "paused" if schedule["paused"] else clock(schedule["next_at"]) or "none follows"


class _Rows:
    """A table whose last column is text of any length. Where it has no room beside the others it stands below them."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        heads = [Text(each, "bold") for each in columns]
        cells = [[each if isinstance(each, Text) else _cell(each) for each in row] for row in rows]
        self._rows = [heads, *cells]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        *widths, last = (max(map(_width, column)) for column in zip(*self._rows, strict=True))
        if sum(widths) + GAP * len(widths) + min(last, LEAST) <= options.max_width:
            table = Table.grid(*(Column(no_wrap=True) for _ in widths), "", padding=(0, GAP, 0, 0))
            for row in self._rows:
                table.add_row(*row)
            yield table
            return
        for *cells, text in self._rows:
            line = Text()
            for cell, width in zip(cells, widths, strict=True):
                line.append_text(cell).append(" " * (width - _width(cell) + GAP))
            line.rstrip()
            yield line
            if text:
                yield Padding(text, (0, 0, 0, 4))


def _width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split("\n")))


def _cell(value: object) -> Text:
    return Text("" if value is None else clean(str(value), lines=True), overflow="fold")


def _facts(facts: Mapping[str, object]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for name, value in facts.items():
        if value not in (None, ""):
            table.add_row(Text(name, "bold"), _cell(value))
    return table
