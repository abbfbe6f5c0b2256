"""Turns itself into another program that ends when the process that started it does.

Run as a script, not imported: `launcher.py PARENT_PID SIGNAL UID:GID PROGRAM [ARGUMENT ...]`. The account may be
`-` for the present one. This happens here, and not in `preexec_fn`, because that one runs Python between fork
and exec, which is not safe beside the threads of the supervisor.
"""

import os
import signal
import sys

try:
    # Before the account changes: another one may not be able to read this Python's library.
    import ctypes
except ImportError:
    ctypes = None  # type: ignore[assignment]

PR_SET_PDEATHSIG = 1


def become(account: str) -> None:
    """Gives up root for `account`, written `uid:gid`."""
    uid, gid = (int(number) for number in account.split(":"))
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def end_with(parent: int, number: int) -> None:
    """Asks the kernel for signal `number` when `parent` dies; Linux only, elsewhere nothing happens.

    A change of account clears the request, and it is tied to the thread that started this process.
    """
    if sys.platform != "linux" or ctypes is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")


def main(parent: str, number: str, account: str, *program: str) -> None:
    """Does not return."""
    # A shell starts background jobs with SIGINT ignored, and that would be inherited.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if account != "-":
        become(account)
    end_with(int(parent), int(number))
    try:
        os.execvp(program[0], program)  # noqa: S606 - a list, no shell
    except OSError as error:
        print(f"{program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
