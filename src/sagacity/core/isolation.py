"""Where another process finds a function: by the names that Python gave it, or not at all.

The names are taken from a function that the program itself has registered. Nothing
here reads a name from a store.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from sagacity.core.immutable import Immutable

THREAD: Final = "thread"
PROCESS: Final = "process"
ISOLATIONS: Final = (THREAD, PROCESS)
NOT_FOR_COROUTINES: Final = (
    'isolation="process" is for plain functions: a coroutine can be cancelled where it is'
)


class Place(Immutable):
    """A module, and the dotted name in it."""

    module: str
    qualname: str


def place_of(function: Any) -> Place:
    """Return where a new process, which imports the module, finds `function`.

    Raises:
        ValueError: it cannot; says why, and what to do.
    """
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not isinstance(module, str) or not isinstance(qualname, str) or not qualname:
        raise ValueError(f"{function!r:.100} has no name in a module; {_REMEDY}")
    if module == "__main__":
        raise ValueError(
            f'"{qualname}" is in the program itself (__main__), which a new process does not run; '
            f"{_REMEDY}"
        )
    if "<" in qualname:
        what = "a lambda" if qualname.endswith("<lambda>") else "defined inside of a function"
        raise ValueError(f'"{qualname}" is {what}; {_REMEDY}')
    return Place(module, qualname)


_REMEDY: Final = "declare it at the top level of a module that can be imported"


def check_found(function: Any, *, instead: object) -> None:
    """Check that a new process would find `instead` where it looks for `function`.

    Raises:
        ValueError: it would not.
    """
    place = place_of(function)
    if find(sys.modules.get(place.module), place.qualname) is not instead:
        raise ValueError(
            f'"{place.qualname}" of module "{place.module}" is something else now: '
            "what is declared must keep the name of its function"
        )


def find(module: Any, qualname: str) -> Any:
    """Return what a module has under a dotted name; None if it has nothing."""
    found = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


def check_isolation(isolation: str) -> None:
    """Check the word.

    Raises:
        ValueError: it is none that is known.
    """
    if isolation not in ISOLATIONS:
        raise ValueError(f'isolation={isolation!r:.40} is not known; "thread" and "process" are')
