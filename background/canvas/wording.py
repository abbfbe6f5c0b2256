"""Facts about a run in English. The page has the same in its own languages (`web/static/js/words/`)."""

from collections.abc import Callable

from background.canvas.reasons import Code, Reason, Tasks

Sentence = Callable[[Reason], str]


def verdict(reason: Reason | None, *, total: int) -> str:
    """One sentence or a few that say what happened to a run of so many tasks, and why."""
    if reason is None:
        return f"All {total} tasks succeeded." if total > 1 else "The task succeeded."
    if reason.code == Code.RESULTS_EXPIRED:
        return f"{verdict(None, total=total)} {_EXPIRED}"
    said = [SENTENCES[Code(reason.code)](reason), *_more(reason)]
    return " ".join(each for each in said if each)


_EXPIRED = "Celery's own results have expired; this is the record."


def _more(reason: Reason) -> list[str]:
    """What a sentence may be followed by."""
    found = []
    if reason.failed:
        found += [_failure(reason), _callback(reason)]
    for tasks, said in (
        (reason.stopped, "Not tried again: {}."),
        (reason.killed, "Killed while running: {}."),
        (reason.expired, "Expired: {}."),
    ):
        found += [said.format(names(tasks))] if tasks else []
    if reason.called:
        callbacks = "error callbacks" if reason.called.count > 1 else "error callback"
        found.append(f"The {callbacks} {names(reason.called)} ran.")
    if reason.running and reason.culprit:
        found.append(f"{names(reason.running)} still {'run' if reason.running.count > 1 else 'runs'}.")
    if reason.waiting:
        found.append(f"Not begun yet: {names(reason.waiting)}.")
    if reason.has_result:
        found.append("Its result is there all the same: nothing of it waits for that.")
    if reason.completed and reason.code in UNDER_WAY:
        found.append(f"{reason.completed} of {reason.total} tasks are done.")
    if reason.results_expired:
        found.append(_EXPIRED)
    return found


def names(tasks: Tasks | None) -> str:
    """`add, add, multiply`; of many, `add (60 times), multiply`, and the first names only."""
    if tasks is None:
        return ""
    told = [
        ", ".join([each.name] * each.times) if tasks.count <= 5 else _times(each.name, each.times)
        for each in tasks.tasks
    ]
    rest = tasks.count - sum(each.times for each in tasks.tasks)
    return ", ".join(told) + (f" and {rest} more" if rest else "")


def _times(name: str, times: int) -> str:
    return name if times == 1 else f"{name} ({times} times)"


def _culprit(reason: Reason) -> str:
    found = reason.names[reason.culprit or ""]
    return found if reason.failed else _and_others(found, reason)


def _and_others(name: str, reason: Reason) -> str:
    return f"{name} (and {reason.others} more)" if reason.others else name


def _node(reason: Reason) -> str:
    return reason.names[reason.node or ""]


def _cause(reason: Reason) -> str:
    if reason.error is None:
        return ""
    text = reason.error.message.strip().rstrip(".")
    return f": {reason.error.type}: {text}" if text else f": {reason.error.type}"


def _never(reason: Reason) -> str:
    return f"{names(reason.never)} never ran." if reason.never else ""


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _failure(reason: Reason) -> str:
    tries = f" after {reason.tries} tries" if reason.tries else ""
    failed = _and_others(reason.names[reason.failed or reason.culprit or ""], reason)
    return f"{failed} failed{tries}{_cause(reason)}."


def _callback(reason: Reason) -> str:
    if reason.callback is None:
        return ""
    ran = f"; {names(reason.ran)} in the same header still ran" if reason.ran else ""
    return f"So {reason.names[reason.callback]}, the callback of its chord, did not run{ran}."


def _chain_stopped(reason: Reason) -> str:
    where = f"The chain stopped at step {reason.step}: " if reason.step else ""
    return _join(_failure(reason), where + _never(reason))


def _lost(reason: Reason) -> str:
    because = reason.error.message if reason.error else ""
    return _join(f"{_culprit(reason)} was lost: {because}.", _callback(reason), _never(reason))


def _running(reason: Reason) -> str:
    since = f" since {reason.since:%H:%M:%S} UTC" if reason.since else ""
    return f"Running{since}: {names(reason.running)}."


def _waiting(reason: Reason) -> str:
    messages = "1 message is" if reason.queued == 1 else f"{reason.queued} messages are"
    return f"Waiting for a worker: {messages} in the queue, {reason.workers} alive."


def _so(reason: Reason, said: str) -> str:
    """What was said, and what did not run because of it; the callback is told of with what failed, if anything did."""
    return _join(said, "" if reason.failed else _callback(reason), _never(reason))


def _ended_by(said: str) -> Sentence:
    return lambda reason: _so(reason, said.format(_culprit(reason)))


def _expired(reason: Reason) -> str:
    if reason.how != "retried":
        return _so(reason, f"{_culprit(reason)} had expired before a worker took it.")
    times = "once" if reason.retries == 1 else f"{reason.retries} times"
    return _so(reason, f"{_culprit(reason)} failed {times}{_cause(reason)}; it had expired before its next try.")


def _cancelled(reason: Reason) -> str:
    never = f"{names(reason.never)} will not run; " if reason.never else ""
    return f"Cancelled: {never}{names(reason.running)} may still finish."


def _revoked(reason: Reason) -> str:
    if reason.how == "late":
        done = "all of them" if reason.completed == reason.total else f"{reason.completed} of {reason.total}"
        return f"Cancelled when every task had begun; {done} succeeded."
    never = f"{names(reason.never)} never ran; " if reason.never else ""
    return f"Revoked: {never}{reason.completed} of {reason.total} tasks were done."


UNDER_WAY = frozenset({
    Code.NO_WORKER, Code.BROKER_DOWN, Code.WAITING_FOR_WORKER, Code.DUE_LATER, Code.WAITING_IN_QUEUE, Code.RUNNING,
    Code.RETRYING, Code.WORKER_SILENT,
})  # fmt: skip
SENTENCES: dict[Code, Sentence] = {
    Code.NO_WORKER: lambda _: "Waiting for a worker: none is alive.",
    Code.BROKER_DOWN: lambda _: "Waiting for the broker: no worker can reach it.",
    Code.WAITING_FOR_WORKER: _waiting,
    Code.DUE_LATER: lambda it: f"{_node(it)} is not due before {it.due_at:%Y-%m-%d %H:%M:%S} UTC (countdown or eta).",
    Code.WAITING_IN_QUEUE: lambda it: (
        f"{_node(it)} waits in the queue {it.queue}: only a worker that was started with -Q {it.queue} takes it."
    ),
    Code.RUNNING: _running,
    Code.RETRYING: lambda it: f"{_node(it)} failed and is tried again (retry {it.retries}){_cause(it)}.",
    Code.WORKER_SILENT: lambda it: f"The worker {it.worker} that runs {_node(it)} has not been seen for a while.",
    Code.FAILED: _failure,
    Code.CHAIN_STOPPED: _chain_stopped,
    Code.CALLBACK_SKIPPED: lambda it: _join(_failure(it), _callback(it), _never(it)),
    Code.LOST: _lost,
    Code.CANCELLED: _cancelled,
    Code.REVOKED: _revoked,
    Code.KILLED: _ended_by("{} was killed while it ran."),
    Code.EXPIRED: _expired,
    Code.IGNORED: _ended_by("{} raised Ignore: Celery keeps no result of it, and nothing that waits for it ever runs."),
    Code.REJECTED: _ended_by(
        "{} raised Reject: Celery keeps no result of it, and nothing that waits for it ever runs."
    ),
    Code.CALLBACK_UNNEEDED: lambda it: (
        f"All went well; {names(it.never)}, for the case of an error, did not have to run."
    ),
}
"""The first sentence of each reason; `results_expired` has none of its own."""
