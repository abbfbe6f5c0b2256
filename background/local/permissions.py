"""Who may read what of local mode: nobody but its user, and the account that PostgreSQL has to run as for root."""

import os
import pwd
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from background.local.children import Account, LocalError


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


def close_off(directory: Path, *, keep_way: bool = False) -> None:
    """Makes `directory` where it is not there, and closes it to everybody but its owner.

    With `keep_way`, what `open_way` opened for PostgreSQL's account stays so: passing through, without a look.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    way = stat.S_IXOTH if keep_way and os.geteuid() == 0 else 0
    directory.chmod(0o700 | (stat.S_IMODE(directory.stat().st_mode) & way))


def kept_secret(path: Path) -> str:
    """The secret in `path`, which is made at random where it is not there yet; only its owner may read it."""
    close_off(path.parent)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.token_urlsafe(24)}\n")
    except FileExistsError:
        path.chmod(0o600)
    return path.read_text().rstrip()


def open_way(account: Account | None, *, to: Sequence[Path], programs: Sequence[Path]) -> None:
    """Lets `account` pass through the directories `to` and all above them, and read and execute `programs`.

    On the way it gets execute permission alone, so that it lists nothing. Says in one line what was changed.
    """
    if account is None:
        return
    way = dict.fromkeys(folder for each in [*to, *programs] for folder in [each, *each.parents])
    changed = [folder for folder in way if _let_through(folder, account)]
    changed += [folder for folder in programs if _let_read(folder)]
    if changed:
        names = ", ".join(str(folder) for folder in dict.fromkeys(changed))
        print(f"PostgreSQL does not run as root, so other users may now pass through {names}", flush=True)


def _let_through(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_mode & stat.S_IXOTH or status.st_uid == account.uid:
        return False
    folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
    return True


def _let_read(folder: Path) -> bool:
    """A strict umask closes all of it alike, so the first file tells."""
    first = next((path for path in folder.rglob("*") if path.is_file()), folder)
    if first.stat().st_mode & stat.S_IROTH:
        return False
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
    return True
