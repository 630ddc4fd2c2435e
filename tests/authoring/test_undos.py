from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sagacity.authoring import Context, action, make_context, saga
from sagacity.core.nodes import Undoing
from sagacity.errors import DagError
from tests.authoring.driving import finished


@dataclass
class Payment:
    amount: int


class Unrelated:
    """Not a payment."""


def mistakes_of(do: Any, undo: Callable[..., Any] | None, **options: Any) -> tuple[str, ...]:
    """Return the mistakes of a saga that uses an action made of these."""
    unknown = options.pop("unknown", None)
    decorate: Any = action(name="act", **options)
    made = decorate(do)
    if undo is not None:
        made.undo(undo) if unknown is None else made.undo(unknown=unknown)(undo)

    def declare() -> None:
        @saga(name="s")
        def s() -> None:
            made.node(*[1] * len(made.typed.signature.parameters))

    try:
        declare()
    except DagError as error:
        return error.mistakes
    assert made.typed.undoing is not None
    return (made.typed.undoing,)


async def pays(ctx: Context, amount: int) -> Payment:
    return Payment(amount)


async def may_pay(ctx: Context, amount: int) -> Payment | None:
    return None


async def acts(ctx: Context) -> None: ...


async def gives_any(ctx: Context) -> Any: ...


async def undo_known(ctx: Context, payment: Payment) -> None: ...


async def undo_any(ctx: Context, payment: Payment | None) -> None: ...


async def undo_any_json(ctx: Context, payment: Any) -> None: ...


async def undo_loose(ctx, payment): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]


async def undo_none(ctx: Context, nothing: None) -> None: ...


ANY, KNOWN, NOTHING = Undoing.ANY, Undoing.KNOWN, Undoing.NOTHING


SAID: list[tuple[Any, Any, dict[str, Any], Undoing]] = [
    (pays, undo_any, {}, ANY),
    (pays, undo_any, {"atomic": True}, ANY),
    (pays, undo_known, {"atomic": True}, KNOWN),
    (pays, undo_any_json, {"atomic": True}, KNOWN),
    (pays, undo_any_json, {"unknown": True}, ANY),
    (pays, undo_loose, {"unknown": True}, ANY),
    (pays, undo_any, {"unknown": True}, ANY),
    (pays, undo_any, {"unknown": False, "atomic": True}, KNOWN),
    (may_pay, undo_any, {"unknown": True}, ANY),
    (may_pay, undo_any, {"atomic": True}, KNOWN),
    (acts, undo_none, {"unknown": True}, ANY),
    (gives_any, undo_any, {"unknown": True}, ANY),
    (pays, None, {"read_only": True}, NOTHING),
    (pays, None, {"no_undo": "harmless"}, NOTHING),
    (pays, None, {"no_undo": "harmless", "atomic": True}, NOTHING),
]


@pytest.mark.parametrize(("do", "undo", "options", "undoing"), SAID)
def test_the_signature_says_what_an_undo_can_meet(
    do: Any, undo: Any, options: dict[str, Any], undoing: Undoing
) -> None:
    """An output that may be None accepts an unknown outcome, unless the result may be None too."""
    assert mistakes_of(do, undo, **options) == (undoing,)


UNSAID: list[tuple[Any, Any, dict[str, Any], str]] = [
    (pays, None, {}, 'action "act" has no undo: give it an undo, or say read_only=True'),
    (pays, None, {"atomic": True}, 'action "act" has no undo'),
    (pays, undo_known, {}, 'the undo of action "act" cannot meet an unknown outcome'),
    (pays, undo_any_json, {}, "cannot meet an unknown outcome"),
    (pays, undo_loose, {}, "cannot meet an unknown outcome"),
    (pays, undo_any, {"unknown": False}, "cannot meet an unknown outcome"),
    (may_pay, undo_any, {}, "declare it with @action.undo(unknown=True)"),
    (acts, undo_none, {}, "declare it with @action.undo(unknown=True)"),
    (pays, undo_known, {"unknown": True}, "says unknown=True, but takes Payment"),
    (pays, undo_any, {"read_only": True}, "says read_only=True and has an undo"),
    (pays, undo_any, {"no_undo": "harmless"}, 'says no_undo="harmless" and has an undo'),
]


@pytest.mark.parametrize(("do", "undo", "options", "text"), UNSAID)
def test_an_action_without_a_fitting_undo_is_a_mistake(
    do: Any, undo: Any, options: dict[str, Any], text: str
) -> None:
    """What could not be taken back is told when the DAG is built, with what to say instead."""
    (mistake,) = mistakes_of(do, undo, **options)
    assert mistake.startswith('saga "s", node "act"')
    assert text in mistake


async def undo_without_output(ctx: Context) -> None: ...


async def undo_without_context() -> None: ...


async def undo_of_other(ctx: Context, payment: str | None) -> None: ...


async def undo_with_stranger(ctx: Context, payment: Payment | None, stranger: int) -> None: ...


async def undo_with_default(ctx: Context, payment: Payment | None, stranger: int = 3) -> None: ...


async def undo_with_clash(ctx: Context, payment: Payment | None, amount: str) -> None: ...


async def undo_variadic(ctx: Context, payment: Payment | None, **rest: int) -> None: ...


async def undo_opaque(ctx: Context, payment: Unrelated | None) -> None: ...


@pytest.mark.parametrize(
    ("undo", "text"),
    [
        (undo_without_output, "its undo must take the output of the action after the context"),
        (undo_without_context, "its undo: the first parameter must be the context"),
        (undo_of_other, "its undo takes str | None, but the action gives Payment"),
        (undo_with_stranger, "the action has no such parameter (it has: amount)"),
        (undo_with_clash, 'parameter "amount": its undo takes str, but the action takes int'),
        (undo_variadic, 'parameter "rest": its undo: *args and **kwargs have no names'),
        (undo_opaque, "its undo: Unrelated | None has no JSON form"),
    ],
)
def test_an_undo_must_fit_its_action(undo: Callable[..., Any], text: str) -> None:
    """It takes the action's result and any of its parameters, by name and type."""
    assert any(text in mistake for mistake in mistakes_of(pays, undo))


def test_an_undo_may_have_parameters_of_its_own_with_defaults() -> None:
    """They are left at their defaults."""
    assert mistakes_of(pays, undo_with_default) == (ANY,)


@action
async def book(ctx: Context, who: str, nights: int = 2, *, pet: bool = False) -> Payment:
    return Payment(nights)


seen: list[Any] = []


def arguments_for(undo: Callable[..., Any], inputs: dict[str, bytes], output: bytes | None) -> Any:
    """Return what `undo` of `book` is called with, the context apart."""
    made = action(name="book")(inspectable)
    made.undo(undo)
    seen.clear()
    typed = made.typed
    assert typed.undo is not None
    call: Any = typed.undo(make_context(), *typed.undo_arguments(inputs, output))
    if not typed.undo_blocks:
        finished(call)
    return seen[-1]


async def inspectable(ctx: Context, who: str, nights: int = 2, *, pet: bool = False) -> Payment:
    return Payment(nights)


async def takes_none(ctx: Context, output: Payment | None) -> None:
    seen.append(output)


async def takes_all(
    ctx: Context, output: Payment | None, who: str, nights: int = 2, *, pet: bool = False
) -> None:
    seen.append((output, who, nights, pet))


def takes_some(ctx: Context, output: Payment | None, *, pet: bool) -> None:
    seen.append((output, pet))


async def takes_reordered(ctx: Context, output: Payment | None, nights: int, who: str) -> None:
    seen.append((output, nights, who))


async def takes_own(ctx: Context, output: Payment | None, extra: str = "x", who: str = "") -> None:
    seen.append((output, extra, who))


INPUTS = {"who": b'"ann"', "pet": b"true"}


@pytest.mark.parametrize(
    ("undo", "output", "called_with"),
    [
        (takes_none, b'{"amount":1}', Payment(1)),
        (takes_none, None, None),
        (takes_all, b'{"amount":1}', (Payment(1), "ann", 2, True)),
        (takes_some, None, (None, True)),
        (takes_reordered, None, (None, 2, "ann")),
        (takes_own, None, (None, "x", "ann")),
    ],
)
def test_an_undo_gets_the_inputs_that_it_names(
    undo: Callable[..., Any], output: bytes | None, called_with: object
) -> None:
    """Any of the action's inputs, in any order; what was not bound has the action's default."""
    assert arguments_for(undo, INPUTS, output) == called_with


def test_an_undo_of_other_code_is_refused() -> None:
    """What it takes and was not stored has no value; a made-up one would be worse."""
    made = action(name="book")(inspectable)
    made.undo(takes_all)
    with pytest.raises(ValueError, match='the undo takes "who", for which no input is stored'):
        made.typed.undo_arguments({}, None)


def test_an_action_without_an_undo_has_no_arguments_for_it() -> None:
    """The engine may ask without knowing."""
    made = action(name="book", read_only=True)(inspectable)
    assert made.typed.undo_arguments({"who": b'"ann"'}, None) == ()


def test_an_undo_may_block() -> None:
    """A plain function is one that the engine runs in a thread, with a do that does not."""
    made: Any = action(name="book")(inspectable)
    made.undo(takes_some)
    assert (made.typed.do_blocks, made.typed.undo_blocks) == (False, True)


def test_an_action_has_one_undo() -> None:
    """A second one would silently replace what a person reads first."""
    made = action(name="book")(inspectable)
    made.undo(takes_none)
    with pytest.raises(DagError, match="is given an undo, but it has one already"):
        made.undo(takes_all)


def test_an_undo_cannot_come_too_late() -> None:
    """Given after a saga was traced, it would not be in that saga's definition."""
    made = action(name="late", read_only=True)(inspectable)

    @saga
    def s() -> None:
        made.node("ann")

    with pytest.raises(DagError, match="is given an undo, but a saga has used it before"):
        made.undo(takes_none)
