"""TypedDicts of `typing`, which pydantic takes from Python 3.12 on.

Before, it asks for those of `typing_extensions`, because of base classes that it
cannot see. Their fields can be seen, and a schema needs no more: each class is
given a hook by which pydantic finds a twin of it from `typing_extensions`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any, Final, NotRequired, Required

import typing_extensions

from sagacity.authoring.annotations import Names, class_of, derives, hints_of, plain, union_members

_QUALIFIERS: Final[tuple[Any, ...]] = (Required, NotRequired)
_HOOK: Final = "__get_pydantic_core_schema__"


def adopt_typed_dicts(type_: Any, names: Names) -> bool:
    """Give the hook to the TypedDicts that `type_` is made of; False if there are none."""
    adopted = False
    for kind in _classes_in(type_, names, set()):
        if _is_typing_typed_dict(kind) and not hasattr(kind, _HOOK):
            setattr(kind, _HOOK, _hook_of(kind, names))
            adopted = True
    return adopted


def _is_typing_typed_dict(kind: Any) -> bool:
    return (
        typing_extensions.is_typeddict(kind)
        and type(kind).__module__ == "typing"
        and not getattr(kind, "__parameters__", ())
    )


def _hook_of(kind: Any, names: Names) -> Any:
    hints = {
        name: hint
        if typing.get_origin(hint) in _QUALIFIERS
        else (Required if name in kind.__required_keys__ else NotRequired)[hint]
        for name, hint in hints_of(kind, names).items()
    }
    # A mapping that is only known now is what the functional form is for.
    make: Any = typing_extensions.TypedDict
    twin = make(kind.__name__, hints)

    def schema_of_twin(_source: Any, handler: Any) -> Any:
        return handler.generate_schema(twin)

    return schema_of_twin


def _classes_in(type_: Any, names: Names, seen: set[Any]) -> Iterator[Any]:
    """Yield the classes that a value of `type_` is made of, fields of records included."""
    bare, _ = plain(type_)
    for each in union_members(bare) or typing.get_args(bare):
        yield from _classes_in(each, names, seen)
    kind = class_of(bare)
    if kind is None or kind in seen:
        return
    seen.add(kind)
    yield kind
    is_record = (
        dataclasses.is_dataclass(kind)
        or typing_extensions.is_typeddict(kind)
        or (derives(kind, tuple) and hasattr(kind, "_fields"))
    )
    for each in hints_of(kind, names).values() if is_record else ():
        yield from _classes_in(each, names, seen)
