"""`python -m tests.acceptance.odd_worker …` is `celery …` whose `echo` does what tasks rarely do, if it is told so."""

import os
import signal
import sys
import time
from typing import Any

from celery import chain, chord, group
from celery.__main__ import main
from celery.exceptions import Ignore, Reject

from background.celery import celery_app
from background.task_names import TaskName


def raise_(error: BaseException) -> None:
    """Raise it."""
    raise error


def send() -> str:
    """Send a task of one's own, with another behind it, and give its id."""
    second = celery_app.signature(TaskName.ECHO.value)
    return str(celery_app.signature(TaskName.ADD.value, args=(2, 3)).apply_async(link=second).id)


def replace() -> None:
    """Put a chain in one's place."""
    add, echo = (celery_app.signature(name.value) for name in (TaskName.ADD, TaskName.ECHO))
    celery_app.tasks[TaskName.ECHO].replace(add.clone(args=(20, 3)) | echo)


def replace_in_vain(kind: str) -> None:
    """Put in one's place what never ends under one's id: a task before that fails, or a group at the end has not it."""
    echo, add, fail = (celery_app.signature(name.value) for name in (TaskName.ECHO, TaskName.ADD, TaskName.FAIL))
    others: dict[str, Any] = {
        "chain": lambda: fail.clone(args=("no",)) | echo,
        "chord": lambda: chord([fail.clone(args=("no",)), echo.clone(args=(7,))], echo),
        "group": lambda: chain(echo.clone(args=(7,)), group([add.clone(args=(1,)), add.clone(args=(2,))])),
    }
    celery_app.tasks[TaskName.ECHO].replace(others[kind]())


def send_elsewhere() -> str:
    """Send a task that nobody here takes, and give its id."""
    return str(celery_app.signature(TaskName.ADD.value, args=(2, 3)).apply_async(queue="elsewhere").id)


def replace_elsewhere() -> None:
    """Put a task in one's place that nobody here takes."""
    celery_app.tasks[TaskName.ECHO].replace(celery_app.signature(TaskName.ADD.value, args=(2, 3), queue="elsewhere"))


def retry_elsewhere() -> None:
    """Ask to be tried again by somebody else."""
    raise celery_app.tasks[TaskName.ECHO].retry(exc=RuntimeError("not here"), countdown=0, queue="elsewhere")


def fork() -> int | None:
    """Let a child return as the task would, and give its exit code."""
    child = os.fork()
    if not child:
        return None
    for _ in range(400):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    return -1


ODD = {
    "ignore": lambda: raise_(Ignore("not today")),
    "reject": lambda: raise_(Reject("never", requeue=False)),
    "exit": lambda: sys.exit(3),
    "interrupt": lambda: raise_(KeyboardInterrupt()),
    "set": lambda: {1, 2},
    "fork": fork,
    "send": send,
    "replace": replace,
    "replace chain": lambda: replace_in_vain("chain"),
    "replace chord": lambda: replace_in_vain("chord"),
    "replace group": lambda: replace_in_vain("group"),
    "send elsewhere": send_elsewhere,
    "replace elsewhere": replace_elsewhere,
    "retry elsewhere": retry_elsewhere,
}


def echo(value: Any) -> Any:
    """The value, or something odd."""
    return ODD[value]() if isinstance(value, str) and value in ODD else value


if __name__ == "__main__":
    celery_app.loader.import_default_modules()
    celery_app.tasks[TaskName.ECHO].run = echo  # type: ignore[method-assign]
    main()
