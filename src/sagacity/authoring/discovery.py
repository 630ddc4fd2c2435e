"""Which actions a saga function can reach: found in its code, without running it.

A coordinator that takes over a dynamic saga needs its actions before anyone traces
it again. Found are actions and sagas that the function, or a plain function that
it calls, names: as a global, a captured variable, an attribute of a module or
class, or a member of a list, tuple, set or dict of these. What is reached in
another way must be listed in `@saga(dynamic=True, actions=[...])`.
"""

from __future__ import annotations

import inspect
import sys
import types
from typing import TYPE_CHECKING, Any, Final

from sagacity.authoring.annotations import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_FUNCTIONS: Final = 10_000


def reachable_values(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the values that `function` and the functions it calls name, members included."""
    seen: set[int] = set()
    todo: list[Any] = [inspect.unwrap(function)]
    while todo and len(seen) < _MAX_FUNCTIONS:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for value in _named_by(current):
            for each in _members(value):
                yield each
                if _is_ours_to_read(each):
                    todo.append(each)


def _named_by(function: types.FunctionType) -> Iterator[Any]:
    names = set(_names(function.__code__))
    for name in names:
        if name in function.__globals__:
            value = function.__globals__[name]
            yield value
            if isinstance(value, types.ModuleType | type):
                yield from (vars(value)[each] for each in names if each in vars(value))
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # a variable that has not been assigned yet
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):  # a comprehension, a lambda, an inner function
            yield from _names(constant)


def _members(value: Any) -> Iterator[Any]:
    yield value
    kind = kind_of(value)
    if kind is dict:
        yield from list(value.values())
    elif kind in (list, tuple, set, frozenset):
        yield from list(value)


def _is_ours_to_read(value: Any) -> bool:
    if not isinstance(value, types.FunctionType):
        return False
    module = (value.__module__ or "").partition(".")[0]
    return module not in sys.stdlib_module_names and module != "sagacity"
