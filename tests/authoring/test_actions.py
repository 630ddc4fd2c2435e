import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sagacity.authoring import Context, action, make_context, saga
from sagacity.authoring.typed_action import TypedAction
from sagacity.core.actions import Action, ActionRegistry
from sagacity.core.nodes import Undoing
from sagacity.errors import DagError, ValueNotStorable
from tests.authoring.driving import finished, mistakes_in


@dataclass
class Payment:
    amount: int


@action(version="2", limit=3)
async def charge(ctx: Context[str], amount: int, times: int = 1) -> Payment:
    """Take the money."""
    return Payment(amount * times)


@charge.undo
async def refund(ctx: Context[str], payment: Payment | None, amount: int, times: int = 1) -> None:
    """Give it back."""


@action(name="count it", read_only=True)
def count(ctx: Context, numbers: list[int]) -> int:
    return sum(numbers)


def test_an_action_is_still_the_function() -> None:
    """A unit test calls it, and its undo, with a context and plain values."""
    ctx = make_context("deps")
    assert finished(charge(ctx, 3, times=2)) == Payment(6)
    assert finished(refund(ctx, None, 3)) is None
    assert count(ctx, [1, 2]) == 3


def test_an_action_looks_like_the_function() -> None:
    """Its name, documentation and signature are the function's."""
    assert charge.__doc__ == "Take the money."
    assert list(inspect.signature(charge).parameters) == ["ctx", "amount", "times"]


def test_the_engine_sees_what_was_declared() -> None:
    """`.typed` is core's `Action`, one object for each action, with its options."""
    typed: Action = charge.typed
    assert charge.typed is typed
    assert (typed.name, typed.version, typed.limit) == ("charge", "2", 3)
    assert (typed.atomic, typed.undoing) == (False, Undoing.ANY)
    assert (typed.do_blocks, typed.undo_blocks) == (False, False)
    assert typed.undo is refund
    assert (count.typed.name, count.typed.do_blocks, count.typed.undo) == ("count it", True, None)
    assert count.typed.undoing is Undoing.NOTHING


def test_an_action_shows_what_it_is() -> None:
    """Its name and version, and not the whole machinery."""
    assert repr(charge.typed) == '<action "charge" version 2>'
    assert charge.name == "charge"


def test_actions_can_be_registered() -> None:
    """The registry takes a typed action, again and again, but no other of its name."""
    registry = ActionRegistry()
    registry.register(charge.typed)
    registry.register(charge.typed)

    @action(name="charge", read_only=True)
    async def other(ctx: Context) -> None: ...

    with pytest.raises(DagError, match='two actions are called "charge"'):
        registry.register(other.typed)


def test_stored_inputs_become_arguments() -> None:
    """Inputs are read by the types of the parameters; what is not stored is left out."""
    assert charge.typed.do_arguments({"amount": b"3"}) == {"amount": 3}
    assert count.typed.do_arguments({"numbers": b"[1,2]"}) == {"numbers": [1, 2]}


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"amount": b'"x"'}, 'action "charge", parameter "amount": 1 validation error'),
        ({"amount": b"1", "speed": b"1"}, 'action "charge" has no parameter "speed"'),
        ({"times": b"1"}, "has parameters with no stored input: amount"),
        ({}, "has parameters with no stored input: amount"),
    ],
)
def test_inputs_of_other_code_are_refused(inputs: dict[str, bytes], text: str) -> None:
    """A saga made by another version is told apart before the action is called."""
    with pytest.raises(ValueError, match=text):
        charge.typed.do_arguments(inputs)


def test_results_are_checked_before_they_are_stored() -> None:
    """A result of another type is refused; one that fits is canonical JSON."""
    assert charge.typed.encode_output(Payment(3)) == b'{"amount":3}'
    with pytest.raises(ValueNotStorable):
        charge.typed.encode_output("no payment")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"no_undo": "maybe"}, "no_undo='maybe' must be"),
        ({"limit": 0}, "limit=0 must be a whole number from 1"),
        ({"limit": True}, "limit=True must be a whole number from 1"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options: dict[str, Any], text: str) -> None:
    """An option without a meaning is an error where it is written."""
    with pytest.raises(ValueError, match=text):
        action(**options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"retry": 3}, r"retry=3 must be a Retry\(\.\.\.\)"),
        ({"undo_retry": None}, r"undo_retry=None must be a Retry"),
        ({"timeout": 0}, "timeout=0: it is a number of seconds above 0"),
        ({"expected": 0}, "expected=0: it is a number of seconds above 0"),
        ({"undo_expected": -1.0}, "undo_expected=-1.0: it is a number of seconds above 0"),
        ({"undo_timeout": float("nan")}, "undo_timeout=nan: it is a number of seconds above 0"),
    ],
)
def test_policies_that_cannot_be_are_refused_at_once(options: dict[str, Any], text: str) -> None:
    """They would be followed only when something has gone wrong."""
    decorate: Any = action
    with pytest.raises(ValueError, match=text):
        decorate(**options)


def test_all_options_that_cannot_be_are_told_at_once() -> None:
    """One error names each; a number in quotes is none."""
    decorate: Any = action
    with pytest.raises(ValueError, match="must be a Retry") as caught:
        decorate(read_only=True, retry=3, timeout="5")
    assert str(caught.value) == (
        "retry=3 must be a Retry(...); timeout='5': it is a number of seconds above 0, or None"
    )


async def no_context() -> int:
    return 1


async def other_context(trip: int) -> int:
    return trip


async def variadic(ctx: Context, *numbers: int, **named: int) -> int:
    return 1


async def positional(ctx: Context, number: int, /) -> int:
    return number


async def generator(ctx: Context) -> Any:
    yield 1


async def opaque(ctx: Context, value: inspect.Signature) -> None: ...


async def unresolved(ctx: Context) -> None: ...


unresolved.__annotations__["return"] = "Nowhere"

NO_ACTIONS: list[tuple[Callable[..., Any], str]] = [
    (no_context, "the first parameter must be the context (ctx: Context)"),
    (other_context, 'parameter "trip": the first parameter must be the context'),
    (variadic, 'parameter "numbers": *args and **kwargs have no names'),
    (variadic, 'parameter "named": *args and **kwargs have no names'),
    (positional, 'parameter "number": it is positional-only'),
    (generator, "it is a generator function"),
    (opaque, 'parameter "value": Signature has no JSON form'),
    (unresolved, "its result: annotation 'Nowhere' cannot be resolved"),
]


@pytest.mark.parametrize(("function", "text"), NO_ACTIONS)
def test_functions_that_cannot_be_actions_are_told(function: Callable[..., Any], text: str) -> None:
    """What is wrong with a function is a mistake of the saga that uses it."""
    decorate: Any = action(read_only=True)
    made = decorate(function)

    def declare() -> None:
        @saga
        def s() -> None:
            made.node()

    mistakes = mistakes_in(declare)
    assert any(text in mistake for mistake in mistakes), mistakes


def test_a_missing_annotation_is_any_json() -> None:
    """Without annotations an action takes and gives whatever JSON there is."""

    @action(read_only=True)
    async def loose(ctx, value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType, reportUnknownVariableType]
        return value  # pyright: ignore[reportUnknownVariableType]

    typed: TypedAction = loose.typed  # pyright: ignore[reportUnknownMemberType]
    assert typed.do_arguments({"value": b'{"a":[1]}'}) == {"value": {"a": [1]}}
    assert typed.encode_output({"a": [1]}) == b'{"a":[1]}'


@pytest.mark.parametrize(("name", "is_good"), [("x" * 200, True), ("x" * 201, False), ("", False)])
def test_names_are_bounded(name: str, is_good: bool) -> None:
    """An action's name has 1 to 200 characters."""
    named = action(name=name, read_only=True)(does_nothing)

    def declare() -> None:
        @saga
        def s() -> None:
            named.options(node="n").node()

    if is_good:
        declare()
    else:
        assert "an action's name has 1 to 200 characters" in mistakes_in(declare)[0]


async def does_nothing(ctx: Context) -> None: ...
