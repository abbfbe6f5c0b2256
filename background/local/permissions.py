"""What another system user needs in order to run PostgreSQL for root, which it refuses to run as."""

import os
import pwd
import stat
from pathlib import Path

from background.local.processes import Account, LocalError


def account_for(directory: Path) -> Account | None:
    """Whom PostgreSQL has to run as: the owner of `directory` or `nobody` for root, for all others themselves.

    Raises `LocalError` where root has no such user.
    """
    if os.geteuid() != 0:
        return None
    if directory.exists() and directory.stat().st_uid != 0:
        return Account(uid=directory.stat().st_uid, gid=directory.stat().st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise LocalError(
            "PostgreSQL refuses to run as root, and there is no user `nobody`: start this as another user."
        ) from None
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def make_private(directory: Path, account: Account | None) -> None:
    """A new, empty directory that only `account` may enter."""
    directory.mkdir(mode=0o700)
    if account:
        os.chown(directory, account.uid, account.gid)


def open_way(directory: Path, account: Account | None) -> None:
    """Lets `account` pass through `directory` and its parents: execute permission alone, so that it lists nothing."""
    if account is None:
        return
    for folder in [directory, *directory.parents]:
        status = folder.stat()
        if not status.st_mode & stat.S_IXOTH and status.st_uid != account.uid:
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
            print(f"Let other users pass through {folder} (o+x), because PostgreSQL does not run as root.")


def open_programs(directory: Path, account: Account | None) -> None:
    """Lets `account` read and execute the programs below `directory`, which a strict umask may have closed."""
    wanted = stat.S_IROTH | stat.S_IXOTH
    if account is None or (directory / "bin" / "postgres").stat().st_mode & wanted == wanted:
        return
    for path in [directory, *directory.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
    print(f"Let other users read {directory}, because PostgreSQL does not run as root.")
