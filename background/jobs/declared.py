"""What may be declared: names, and functions that are called with some arguments."""

import inspect
import reprlib
import threading
from functools import partial
from typing import Any

NAME_CHARACTERS = 100
"""How long the name of a pipeline or of a step may be."""
_short = reprlib.Repr()
_short.maxstring = _short.maxother = NAME_CHARACTERS + 20
shown = _short.repr


class DeclaredWrong(SystemExit):
    """A pipeline that cannot work ends the process that imports it, with one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def text_of(error: BaseException) -> str:
    """What an error says. One whose `__str__` raises is an error all the same."""
    try:
        return str(error)
    except Exception as its_own:  # noqa: BLE001  (errors are anybody's objects)
        return f"what it says cannot be read, its __str__ raises {type(its_own).__name__}"


def one_line(error: BaseException) -> str:
    """An error's type and text in one line."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(text_of(error).split()))))


def require_name(name: Any, what: str) -> None:
    """Raise `DeclaredWrong` unless it can stand in statements, addresses and log lines."""
    if not (isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= NAME_CHARACTERS):
        wanted = f"must be text of 1 to {NAME_CHARACTERS} printable characters"
        raise DeclaredWrong(f"{what} {wanted}; {shown(name)} is not.")


def is_async(function: Any) -> bool:
    """Whether it is an `async def`, or an object that is called as one."""
    return any(map(inspect.iscoroutinefunction, _called(function)))


def _called(function: Any) -> tuple[Any, Any]:
    """What may be called when this is."""
    while isinstance(function, partial):
        function = function.func
    return function, type(function).__call__


def require_plain(function: Any, what: str, *, arguments: list[str], may_be_async: bool = False) -> None:
    """Raise `DeclaredWrong` unless it is a plain function that can be called with these arguments."""
    if not callable(function) or isinstance(function, type):
        raise DeclaredWrong(f"{what} must be a function.")
    if is_async(function) and not may_be_async:
        raise DeclaredWrong(f"{what} is async; it must be a plain function.")
    for each in _called(function):
        if inspect.isasyncgenfunction(each):
            raise DeclaredWrong(f"{what} is an async generator; it must be a function, which returns.")
        if inspect.isgeneratorfunction(each):
            raise DeclaredWrong(f"{what} is a generator; it must be a plain function, which returns.")
    try:
        inspect.signature(function).bind(*arguments)
    except ValueError:
        pass  # a builtin does not say what it takes
    except TypeError:
        count = {1: "one argument", 2: "two arguments"}[len(arguments)]
        raise DeclaredWrong(f"{what} must take {count}: {' and '.join(arguments)}.") from None


# A class is found by `ast`, which in CPython 3.11 fails when two threads use it at once (python/cpython#106905).
_reading = threading.Lock()


def source(part: Any) -> str:
    """The source of a class or function, as far as there is any."""
    try:
        with _reading:
            return inspect.getsource(part)
    except (OSError, TypeError):
        return ""
