"""Where an input comes from: data, not code, so that it can be stored with the DAG.

A binding is a small expression over what a node can see: the params of its
(sub)saga, outputs of nodes that it depends on, constants, and lists and objects
of these. It is resolved against a state when the node runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

import orjson

from sagacity.core.values import MAX_DEPTH, decode, encode_again
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sagacity.core.values import Json

FieldPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Const:
    """The DAG's constant of this index."""

    index: int


@dataclass(frozen=True, slots=True)
class OutputOf:
    """The output of the node of this index, or a field of it."""

    node: int
    field: FieldPath = ()


@dataclass(frozen=True, slots=True)
class ParamsOf:
    """The params of a (sub)saga, or a field: `scope` is its start marker, -1 the saga itself."""

    scope: int
    field: FieldPath = ()


@dataclass(frozen=True, slots=True)
class ListOf:
    """A JSON array of bindings."""

    items: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """A JSON object of bindings."""

    members: tuple[tuple[str, Binding], ...]


Binding: TypeAlias = Const | OutputOf | ParamsOf | ListOf | ObjectOf


def leaves(binding: Binding) -> Iterator[Const | OutputOf | ParamsOf]:
    """Yield the references and constants that `binding` is made of."""
    match binding:
        case ListOf(items):
            for item in items:
                yield from leaves(item)
        case ObjectOf(members):
            for _, member in members:
                yield from leaves(member)
        case _:
            yield binding


def is_too_deep(binding: Binding) -> bool:
    """Whether `binding` is nested deeper than a value can be."""
    stack: list[tuple[Binding, int]] = [(binding, 0)]
    while stack:
        each, depth = stack.pop()
        if depth > MAX_DEPTH:
            return True
        if isinstance(each, ListOf):
            stack += [(item, depth + 1) for item in each.items]
        elif isinstance(each, ObjectOf):
            stack += [(member, depth + 1) for _, member in each.members]
    return False


def moved(binding: Binding, nodes: Mapping[int, int], constants: int, scope: int) -> Binding:
    """Return `binding` as it reads inside a larger DAG, where a subsaga was put in.

    `nodes` maps old to new indices, `constants` is added to those of constants, and
    the subsaga's own params (`ParamsOf(-1)`) become those of the marker `scope`.
    """
    match binding:
        case Const(index):
            return Const(index + constants)
        case OutputOf(node, field):
            return OutputOf(nodes[node], field)
        case ParamsOf(inner, field):
            return ParamsOf(scope if inner < 0 else nodes[inner], field)
        case ListOf(items):
            return ListOf(tuple(moved(item, nodes, constants, scope) for item in items))
        case ObjectOf(members):
            return ObjectOf(
                tuple((key, moved(item, nodes, constants, scope)) for key, item in members)
            )
        case _:
            assert_never(binding)


def resolve(binding: Binding, lookup: Callable[[Binding], Json]) -> Json:
    """Return the JSON that `binding` stands for; `lookup` gives that of a leaf without field."""
    match binding:
        case OutputOf(node, field) if field:
            return encode_again(_field(decode(lookup(OutputOf(node))), field))
        case ParamsOf(scope, field) if field:
            return encode_again(_field(decode(lookup(ParamsOf(scope))), field))
        case ListOf(items):
            return b"[" + b",".join(resolve(item, lookup) for item in items) + b"]"
        case ObjectOf(members):
            # Put together without a limit, as a list is: it is made of what was checked, is not
            # stored, and the output of a saga whose nodes have all succeeded must not be refused.
            return b"{" + b",".join(_member_text(*each, lookup) for each in sorted(members)) + b"}"
        case _:
            return lookup(binding)


def _member_text(key: str, member: Binding, lookup: Callable[[Binding], Json]) -> Json:
    return orjson.dumps(key) + b":" + resolve(member, lookup)


def check_fields(binding: Binding, node: int, output: Json) -> None:
    """Check that `output` of `node` has the fields that `binding` takes of it.

    Raises:
        LookupError: it has not.
    """
    for leaf in leaves(binding):
        if isinstance(leaf, OutputOf) and leaf.node == node:
            _field(decode(output), leaf.field)


def _field(value: Any, field: FieldPath) -> Any:
    for part in field:
        try:
            value = _part(value, part)
        except (KeyError, IndexError, TypeError):
            path = ".".join(str(each) for each in field)
            raise LookupError(f'the value has no field "{path}"') from None
    return value


def _part(value: Any, part: str | int) -> Any:
    if type(value) is str:  # one value in JSON, not a list of characters
        raise TypeError
    return value[part]


def to_document(binding: Binding) -> list[Any]:
    """Return `binding` as stored in a definition."""
    match binding:
        case Const(index):
            return ["const", index]
        case OutputOf(node, field):
            return ["output", node, *field]
        case ParamsOf(scope, field):
            return ["params", scope, *field]
        case ListOf(items):
            return ["list", *(to_document(item) for item in items)]
        case ObjectOf(members):
            return ["object", *([key, to_document(member)] for key, member in members)]
        case _:
            assert_never(binding)


def from_document(document: Any) -> Binding:
    """Read a stored binding.

    Raises:
        LogCorrupt: it is none.
    """
    match document:
        case ["const", int(index)] if type(index) is int and index >= 0:  # no bool
            return Const(index)
        case ["output", int(node), *field] if type(node) is int and node >= 0:
            return OutputOf(node, _field_path(field))
        case ["params", int(scope), *field] if type(scope) is int and scope >= -1:
            return ParamsOf(scope, _field_path(field))
        case ["list", *items]:
            return ListOf(tuple(from_document(item) for item in items))
        case ["object", *members]:
            return ObjectOf(tuple(_member(member) for member in members))
        case _:
            raise LogCorrupt(f"not a binding: {document!r:.100}")


def _member(document: Any) -> tuple[str, Binding]:
    match document:
        case [str(key), binding]:
            return key, from_document(binding)
        case _:
            raise LogCorrupt(f"not a member of a binding: {document!r:.100}")


def _field_path(parts: list[Any]) -> FieldPath:
    for part in parts:
        if type(part) is not str and type(part) is not int:
            raise LogCorrupt(f"not a field path: {parts!r:.100}")
    return tuple(parts)


def inputs_to_document(inputs: Mapping[str, Binding]) -> list[Any]:
    """Return the inputs of a node as stored, in the order of its parameters."""
    return [[name, to_document(binding)] for name, binding in inputs.items()]


def inputs_from_document(document: Any) -> dict[str, Binding]:
    """Read the stored inputs of a node."""
    match document:
        case [*items]:
            return dict(_member(item) for item in items)
        case _:
            raise LogCorrupt(f"not the inputs of a node: {document!r:.100}")
