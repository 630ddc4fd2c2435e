"""References: what stands for a node's output, or for params, while a saga is traced.

A reference has fields like the value that it stands for and can be handed on. It
has no value yet, so everything that would need one raises `TraceError`: a branch
or a text made of it would freeze a DAG that is right for one run only. (`is` and
`isinstance` cannot be caught: of a reference they are false.)

Its own facts are kept out of the way of field names; `facts_of` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sagacity.authoring import fields
from sagacity.authoring.annotations import is_unknown, plain
from sagacity.core.bindings import OutputOf, ParamsOf
from sagacity.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagacity.authoring.annotations import Names
    from sagacity.authoring.mistakes import Mistakes


@dataclass(slots=True, eq=False)
class Tracing:
    """One run of a saga function: what its references belong to."""

    saga_name: str
    mistakes: Mistakes
    names: Names
    unused_mistakes: dict[str, None] = field(default_factory=dict)
    """Of references to what is not there: those that no node has been given yet."""
    over: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known of a reference."""

    tracing: Tracing
    binding: OutputOf | ParamsOf
    type: Any
    text: str
    """How the author wrote it: `charge.amount`."""
    mistake: str = ""
    """Why there can be no such value; told where the reference is used."""

    @property
    def node(self) -> int | None:
        """The node whose output it is, None for params."""
        return self.binding.node if isinstance(self.binding, OutputOf) else None


class Reference:
    """Stands for a value that will be there when the saga runs."""

    __slots__ = ("__facts",)

    def __init__(self, facts: Facts) -> None:
        """Refer to what `facts` says."""
        object.__setattr__(self, "_Reference__facts", facts)

    def __getattr__(self, name: str) -> Reference:
        """Refer to a field.

        Raises:
            AttributeError: for names with underscores that are no field; debuggers
                and other tools ask for them.
            TraceError: the saga is not being traced any more.
        """
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        facts = facts_of(self)
        text = f"{facts.text}.{name}"
        _check_traced(facts, text)
        if name.startswith("_") and is_unknown(plain(facts.type)[0]):
            raise AttributeError(f"{text}: write [{name!r}] if there is such a member")
        try:
            found = fields.attribute(facts.type, name, facts.tracing.names)
        except fields.NoFieldError as error:
            if name.startswith("_"):
                raise AttributeError(str(error)) from None
            return _missing(facts, text, error)
        return _field(facts, found, text)

    def __getitem__(self, key: str | int) -> Reference:
        """Refer to a member or an item.

        Raises:
            TraceError: the key is not known now, or the saga is not being traced any more.
        """
        facts = facts_of(self)
        if type(key) is not str and type(key) is not int:
            raise TraceError(
                f"{facts.text}[...]: a field is named by a text or a number that is known while "
                "the saga is traced, not by a slice or another value; take it apart in an action"
            )
        text = f"{facts.text}[{key!r}]"
        _check_traced(facts, text)
        try:
            found = fields.item(facts.type, key, facts.tracing.names)
        except fields.NoFieldError as error:
            return _missing(facts, text, error)
        return _field(facts, found, text)

    def __repr__(self) -> str:
        """Tell people and debuggers what this is."""
        return f"<reference to {facts_of(self).text}>"

    def __copy__(self) -> Reference:
        return self

    def __deepcopy__(self, memo: object) -> Reference:
        return self


_read_facts: Final[Callable[[Reference], Facts]] = Reference.__dict__["_Reference__facts"].__get__


def facts_of(reference: Reference) -> Facts:
    """Return what is known of `reference`."""
    return _read_facts(reference)


def _check_traced(facts: Facts, text: str) -> None:
    if facts.tracing.over:
        raise TraceError(
            f'{text}: saga "{facts.tracing.saga_name}" has been traced; its references mean '
            "nothing outside of its function"
        )


def _field(facts: Facts, found: fields.Field, text: str) -> Reference:
    path = (*facts.binding.field, *found.path)
    binding = (
        OutputOf(facts.binding.node, path)
        if isinstance(facts.binding, OutputOf)
        else ParamsOf(facts.binding.scope, path)
    )
    return Reference(Facts(facts.tracing, binding, found.type, text, facts.mistake))


def _missing(facts: Facts, text: str, error: fields.NoFieldError) -> Reference:
    # The trace goes on with a reference to anything, so that all mistakes are found.
    mistake = f"{text}: {error}"
    facts.tracing.unused_mistakes[mistake] = None
    return Reference(Facts(facts.tracing, facts.binding, Any, text, mistake))


_DECIDE: Final = (
    "decide in an action; if the shape of the saga depends on its params, make it "
    "@saga(dynamic=True)"
)
_COUNT: Final = (
    "give the whole value to an action; if the number of nodes depends on the params, make it "
    "@saga(dynamic=True)"
)
_COMPUTE: Final = "compute in an action and give it the reference"
_WRITE: Final = "make texts in an action and give it the reference"
_AWAIT: Final = (
    "a saga function is an ordinary function; .node(...) gives the reference at once and it can "
    "be handed on as it is"
)
_CALL: Final = "methods are called in an action, which gets the value itself"
_CHANGE: Final = "make the changed value in an action"
_KEEP: Final = "a reference lives in its saga function only"

_TRAPS: Final = (
    ("has no truth value", _DECIDE, "bool"),
    ("cannot be compared", _DECIDE, "eq ne lt le gt ge"),
    ("cannot be hashed (in a set, or as a key)", _COMPUTE, "hash"),
    ("cannot be iterated or unpacked", _COUNT, "iter next reversed aiter anext"),
    ("has no length", _COUNT, "len length_hint"),
    ("cannot be searched with `in`", _DECIDE, "contains"),
    ("has no text", _WRITE, "str format bytes fspath"),
    ("is no number", _COMPUTE, "int float complex index round trunc floor ceil"),
    ("cannot be computed with", _COMPUTE, "neg pos abs invert"),
    (
        "cannot be computed with",
        _COMPUTE,
        "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor",
    ),
    (
        "cannot be computed with",
        _COMPUTE,
        "radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand ror rxor",
    ),
    (
        "cannot be computed with",
        _COMPUTE,
        "iadd isub imul imatmul itruediv ifloordiv imod ipow ilshift irshift iand ior ixor",
    ),
    ("cannot be awaited", _AWAIT, "await"),
    ("is no context manager", _CALL, "enter exit aenter aexit"),
    ("cannot be called", _CALL, "call"),
    ("cannot be changed", _CHANGE, "setattr delattr setitem delitem"),
    ("cannot be stored", _KEEP, "reduce_ex reduce"),
)


def _trap(cannot: str, remedy: str) -> Callable[..., Any]:
    def raise_trace_error(self: Reference, *_args: object, **_options: object) -> Any:
        text = facts_of(self).text
        raise TraceError(
            f"{text} is only known when the saga runs: it {cannot} while the saga is traced; "
            f"{remedy}"
        )

    return raise_trace_error


for _cannot, _remedy, _operations in _TRAPS:
    for _operation in _operations.split():
        setattr(Reference, f"__{_operation}__", _trap(_cannot, _remedy))
