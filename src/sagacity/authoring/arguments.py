"""Arguments of nodes as bindings: references resolved, plain values made constants.

A list, tuple, dict, dataclass or model that holds references becomes a binding of
its parts; each part is checked and encoded by the type that it has there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pydantic

from sagacity.authoring import fields
from sagacity.authoring.annotations import (
    Names,
    class_of,
    derives,
    in_words,
    kind_of,
    plain,
    union_members,
)
from sagacity.authoring.codecs import NoCodecError, codec_for
from sagacity.authoring.fits import may_fit
from sagacity.authoring.references import Reference, facts_of
from sagacity.authoring.signatures import UNSTATED, Typed
from sagacity.core.bindings import ListOf, ObjectOf
from sagacity.core.values import MAX_DEPTH, MAX_VALUE_BYTES, NULL, within
from sagacity.errors import ValueNotStorable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sagacity.authoring.references import Tracing
    from sagacity.core.bindings import Binding, Const
    from sagacity.core.values import Json

_NO_PARTS: Final[tuple[tuple[Any, Any], ...]] = ()


@dataclass(slots=True, eq=False)
class Binder:
    """Turns one argument of one node into a binding.

    What is wrong is added to the mistakes of the tracing, under `node` and `parameter`.
    """

    tracing: Tracing
    constant: Callable[[Json], Const]
    stand_in: Callable[[Any], Any]
    """Gives the reference that a value can be replaced by, or the value."""
    node: str = ""
    parameter: str = ""
    subject: str = ""
    used: dict[int, None] = dataclasses.field(default_factory=dict)
    """The nodes whose outputs the argument uses."""

    def bind(self, value: Any, wanted: Typed) -> Binding:
        """Return the binding of `value`, given where `wanted` is taken."""
        value = self.stand_in(value)
        if type(value) is Reference:
            return self._reference(value, wanted)
        if not holds_reference(value):
            return self.constant(self._encoded(value, wanted))
        if not may_fit(type(value), wanted.type):
            self.mistake(f"a {in_words(type(value))} is given, not {in_words(wanted.type)}")
            wanted = UNSTATED
        type_at = self._part_types(value, wanted)
        parts = [(key, self.bind(part, type_at(key))) for key, part in _parts(value)]
        if isinstance(value, list | tuple):
            return ListOf(tuple(binding for _, binding in parts))
        return ObjectOf(tuple((fields.member_name(key), binding) for key, binding in parts))

    def mistake(self, text: str) -> None:
        """Take down what is wrong with this argument."""
        self.tracing.mistakes.add(f"{self.subject}{text}", node=self.node, parameter=self.parameter)

    def _reference(self, reference: Reference, wanted: Typed) -> Binding:
        facts = facts_of(reference)
        if facts.tracing is not self.tracing:
            self.mistake(
                f'{facts.text} belongs to saga "{facts.tracing.saga_name}", not to this one; give '
                "it to a subsaga as its params"
            )
            return self.constant(NULL)
        if facts.mistake:
            self.tracing.unused_mistakes.pop(facts.mistake, None)
            self.mistake(facts.mistake)
        if not may_fit(facts.type, wanted.type):
            self.mistake(f"{facts.text} is {in_words(facts.type)}, not {in_words(wanted.type)}")
        if facts.node is not None:
            self.used[facts.node] = None
        return facts.binding

    def _encoded(self, value: Any, wanted: Typed) -> Json:
        try:
            return within(wanted.codec.encode(value), MAX_VALUE_BYTES)
        except (ValueNotStorable, ValueError, TypeError, RecursionError) as error:
            self.mistake(f"{value!r:.60}: {error}")
            return NULL

    def _part_types(self, value: Any, wanted: Typed) -> Callable[[Any], Typed]:
        """Return what gives the type of a part: a record's own, else what is wanted there."""
        names = self.tracing.names
        kind = kind_of(value)
        if derives(kind, list, tuple) and not hasattr(kind, "_fields"):
            array = _array_type(wanted.type)
            if not fields.has_fixed_items(array):
                item = self._typed(fields.array_item(array))
                return lambda _index: item
            return lambda index: self._typed(fields.array_item(array, index))
        own = fields.record_fields(plain(wanted.type)[0] if derives(kind, dict) else kind, names)
        if own is not None and derives(kind, tuple):
            in_order = list(own.values())
            return lambda index: self._typed(in_order[index])
        if own is not None:
            return lambda name: self._typed(own.get(name, Any))
        return lambda key: self._typed(_member_type(wanted.type, key, names))

    def _typed(self, type_: Any) -> Typed:
        try:
            return Typed(type_, codec_for(type_, self.tracing.names))
        except NoCodecError:
            return UNSTATED  # the type of the whole was refused for it already, or is not stated


def holds_reference(value: Any, depth: int = 0) -> bool:
    """Whether a reference is somewhere in `value`."""
    if type(value) is Reference:
        return True
    if depth > MAX_DEPTH:
        return False  # encoding it will say so
    return any(holds_reference(part, depth + 1) for _, part in _parts(value))


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return what a value of one of the kinds that may hold references is made of."""
    kind = kind_of(value)
    if derives(kind, list, tuple):
        return [(index, value[index]) for index in range(len(value))]
    if derives(kind, dict):
        return list(value.items())
    if derives(kind, pydantic.BaseModel):
        # `model_construct` is the way to put a reference into a model; it can leave fields out.
        return [(name, value.__dict__[name]) for name in kind.model_fields if name in vars(value)]
    if dataclasses.is_dataclass(kind):
        return [(each.name, getattr(value, each.name)) for each in dataclasses.fields(kind)]
    return _NO_PARTS


def _array_type(type_: Any) -> Any:
    """Return the one array type that `type_` is or has among others."""
    members = [plain(member)[0] for member in union_members(type_) or (type_,)]
    arrays = [each for each in members if derives(class_of(each) or object, *fields.ARRAYS)]
    return arrays[0] if len(arrays) == 1 else list


def _member_type(type_: Any, key: Any, names: Names) -> Any:
    try:
        return fields.item(type_, key, names).type
    except fields.NoFieldError:
        return Any  # reading the whole will tell, if it matters
