"""`Secret[T]` for pydantic: how fields and parameters of that type are read and written.

Read: the stored form, and the plain value, which people give and which was stored before
its type became a secret. Written as stored by the codec alone: what a model of the user
dumps by itself holds `***`.

Core knows no pydantic, so the hook is put on the class from here.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any, Final, cast

import pydantic
import pydantic_core

from sagacity.authoring.annotations import kind_of
from sagacity.core.secret import MARK, MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core.core_schema import CoreSchema, SerializationInfo


class _Storing(dict[str, Any]):
    """The context of a dump that is to be stored; empty, so that others see nothing in it."""


STORING: Final = _Storing()


def _schema(_kind: Any, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
    make = pydantic_core.core_schema
    arguments = typing.get_args(source)
    value = handler.generate_schema(arguments[0] if arguments else Any)
    stored = make.no_info_after_validator_function(
        _member,
        make.typed_dict_schema({MARK: make.typed_dict_field(value)}, extra_behavior="forbid"),
    )
    from_json = make.tagged_union_schema(
        {MARK: stored, "value": value}, lambda given: MARK if _is_stored(given) else "value"
    )
    return make.no_info_after_validator_function(
        Secret,
        make.json_or_python_schema(
            from_json, make.no_info_before_validator_function(_revealed, value)
        ),
        serialization=make.wrap_serializer_function_ser_schema(
            _dumped, schema=value, info_arg=True
        ),
    )


def _is_stored(given: Any) -> bool:
    return kind_of(given) is dict and len(given) == 1 and MARK in given


def _member(members: Mapping[str, Any]) -> Any:
    return members[MARK]


def _revealed(given: Any) -> Any:
    if kind_of(given) is Secret:
        return given.reveal()
    return given[MARK] if _is_stored(given) else given


def _dumped(secret: Secret[Any], dump: Any, info: SerializationInfo) -> Any:
    if type(info.context) is _Storing:
        return {MARK: dump(secret.reveal())}
    return MASK if info.mode == "json" else secret


def stored_if_secret(value: Any) -> Any:
    """Write a secret where no type said that there would be one.

    Raises:
        ValueError: it is something else.
    """
    if kind_of(value) is Secret:
        return {MARK: value.reveal()}
    raise ValueError(f"{type(value).__qualname__} has no JSON form")


def keeps_secrets(schema: Any) -> bool:
    """Whether values of this core schema may have secrets in them."""
    return any(node is Secret for node in _parts(schema, overridden=True))


def would_be_masked(schema: Any) -> bool:
    """Whether a secret of pydantic's own is in it: what would be stored of it is asterisks."""
    return any(
        getattr(node, "__module__", "") == "pydantic.types"
        and getattr(node, "__name__", "").startswith("_serialize_secret")
        for node in _parts(schema, overridden=False)
    )


def _parts(schema: Any, *, overridden: bool) -> Iterator[Any]:
    """Yield all that a core schema is made of; what a serialiser replaces if `overridden`."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            members = cast("dict[str, Any]", node)
            own = members.get("serialization", {}).get("type") == "function-plain"
            todo += [members["serialization"]] if own and not overridden else members.values()
        elif isinstance(node, list | tuple):
            todo += cast("list[Any]", node)
        else:
            yield node


setattr(Secret, "__get_pydantic_core_schema__", classmethod(_schema))  # noqa: B010
