"""`python -m tests.acceptance.odd_worker …` is `celery …` whose `echo` does what tasks rarely do, if it is told so."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery import chain, chord, group
from celery.__main__ import main
from celery.exceptions import Ignore, Reject, Retry

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


def send_elsewhere_and(error: BaseException) -> None:
    """Send it, and raise that."""
    send_elsewhere()
    raise error


def send_elsewhere_and_try_again() -> None:
    """Send it, and ask to be tried again, once."""
    if not celery_app.tasks[TaskName.ECHO].request.retries:
        send_elsewhere()
        try_again()


def replace_elsewhere() -> None:
    """Put a task in one's place that nobody here takes."""
    celery_app.tasks[TaskName.ECHO].replace(celery_app.signature(TaskName.ADD.value, args=(2, 3), queue="elsewhere"))


def retry_elsewhere() -> None:
    """Ask to be tried again by somebody else."""
    raise celery_app.tasks[TaskName.ECHO].retry(exc=RuntimeError("not here"), countdown=0, queue="elsewhere")


def replace_by_one() -> None:
    """Put a task in one's place."""
    celery_app.tasks[TaskName.ECHO].replace(celery_app.signature(TaskName.ADD.value, args=(20, 3)))


def try_again() -> None:
    """Ask to be tried again."""
    raise celery_app.tasks[TaskName.ECHO].retry(countdown=0)


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
    "retry": lambda: raise_(Retry("later")),
    "exit": lambda: sys.exit(3),
    "interrupt": lambda: raise_(KeyboardInterrupt()),
    "set": lambda: {1, 2},
    "fork": fork,
    "send": send,
    "replace": replace,
    "replace chain": lambda: replace_in_vain("chain"),
    "replace chord": lambda: replace_in_vain("chord"),
    "replace group": lambda: replace_in_vain("group"),
    "replace by one": replace_by_one,
    "try again": try_again,
    "send elsewhere": send_elsewhere,
    "send elsewhere and ignore": lambda: send_elsewhere_and(Ignore()),
    "send elsewhere and reject": lambda: send_elsewhere_and(Reject(requeue=False)),
    "send elsewhere and retry": lambda: send_elsewhere_and(Retry()),
    "send elsewhere and try again": send_elsewhere_and_try_again,
    "replace elsewhere": replace_elsewhere,
    "retry elsewhere": retry_elsewhere,
}


def echo(value: Any) -> Any:
    """The value, or something odd; `{"after": path, "do": …}` once there is such a file."""
    if isinstance(value, dict):
        while not Path(value["after"]).exists():
            time.sleep(0.02)
        value = value["do"]
    return ODD[value]() if isinstance(value, str) and value in ODD else value


if __name__ == "__main__":
    celery_app.loader.import_default_modules()
    celery_app.tasks[TaskName.ECHO].run = echo  # type: ignore[method-assign]
    main()
