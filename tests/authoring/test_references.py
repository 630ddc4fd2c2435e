import copy
import math
import operator
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sagacity.authoring import Context, action, saga
from sagacity.errors import DagError, TraceError
from tests.authoring.driving import mistakes_in, run


@dataclass(frozen=True)
class Payment:
    amount: int
    facts: int = 0
    _note: str = ""


@action(read_only=True)
async def pay(ctx: Context, amount: int) -> Payment:
    return Payment(amount, facts=7, _note="n")


@action(read_only=True)
async def look(ctx: Context, value: Any) -> Any:
    return value


loose_pay: Any = pay


def refuse(use: Callable[[Any], object]) -> str:
    """Return what a saga function is told that uses a reference so."""
    with pytest.raises(TraceError) as caught:

        @saga
        def s() -> None:
            use(pay.node(1))

    assert isinstance(caught.value, DagError)
    (text,) = caught.value.mistakes
    assert text.startswith('saga "s": pay is only known when the saga runs: it ')
    return text


def assign(target: Any) -> None:
    target.amount = 3


def as_index(target: Any) -> str:
    return "ab"[target]


def in_place(target: Any) -> None:
    target += 1


def delete(target: Any) -> None:
    del target.amount


def unpack(target: Any) -> None:
    _, _ = target


USES: list[tuple[Callable[[Any], object], str]] = [
    (bool, "decide in an action"),
    (operator.not_, "decide in an action"),
    (lambda ref: ref == 1, "decide in an action"),
    (lambda ref: ref != 1, "decide in an action"),
    (lambda ref: ref < 1, "decide in an action"),
    (lambda ref: ref in [3, 4], "decide in an action"),
    (lambda ref: 3 in ref, "decide in an action"),
    (hash, "compute in an action"),
    (lambda ref: {ref}, "compute in an action"),
    (lambda ref: {ref: 1}, "compute in an action"),
    (iter, "dynamic=True"),
    (list, "dynamic=True"),
    (unpack, "dynamic=True"),
    (lambda ref: [*ref], "dynamic=True"),
    (sorted, "dynamic=True"),
    (reversed, "dynamic=True"),
    (next, "dynamic=True"),
    (len, "dynamic=True"),
    (str, "make texts in an action"),
    (lambda ref: f"{ref}", "make texts in an action"),
    (lambda ref: f"{ref:>10}", "make texts in an action"),
    (lambda ref: "%s" % ref, "make texts in an action"),  # noqa: UP031
    (bytes, "make texts in an action"),
    (open, "make texts in an action"),
    (int, "compute in an action"),
    (float, "compute in an action"),
    (complex, "compute in an action"),
    (operator.index, "compute in an action"),
    (range, "compute in an action"),
    (as_index, "compute in an action"),
    (round, "compute in an action"),
    (math.floor, "compute in an action"),
    (math.trunc, "compute in an action"),
    (abs, "compute in an action"),
    (operator.neg, "compute in an action"),
    (operator.invert, "compute in an action"),
    (lambda ref: ref + 1, "compute in an action"),
    (lambda ref: 1 + ref, "compute in an action"),
    (lambda ref: sum([ref]), "compute in an action"),
    (in_place, "compute in an action"),
    (lambda ref: ref**2, "compute in an action"),
    (lambda ref: divmod(7, ref), "compute in an action"),
    (lambda ref: ref @ ref, "compute in an action"),
    (operator.methodcaller("__await__"), "at once"),
    (operator.methodcaller("__enter__"), "methods are called in an action"),
    (lambda ref: ref(), "methods are called in an action"),
    (assign, "make the changed value in an action"),
    (delete, "make the changed value in an action"),
    (lambda ref: operator.setitem(ref, "k", 1), "make the changed value in an action"),
    (lambda ref: operator.delitem(ref, "k"), "make the changed value in an action"),
    (pickle.dumps, "lives in its saga function only"),
]


@pytest.mark.parametrize(("use", "remedy"), USES)
def test_a_reference_is_no_value_yet(use: Callable[[Any], object], remedy: str) -> None:
    """Whatever would need the value now is refused, and the text says what to do instead."""
    assert remedy in refuse(use)


def test_calling_what_would_be_a_method_is_refused() -> None:
    """A method of the value is no field of it; the text names the call."""

    def declare() -> None:
        @saga
        def s() -> None:
            anything: Any = look.node(1)
            anything.upper()

    assert (
        "look.upper is only known when the saga runs: it cannot be called"
        in mistakes_in(declare)[0]
    )


def test_a_slice_is_no_field() -> None:
    """Only a text or a number names a field; how long a list will be is not known."""

    def declare() -> None:
        @saga
        def s() -> None:
            anything: Any = look.node([1])
            look.options(node="two").node(anything[1:])

    assert "not by a slice" in mistakes_in(declare)[0]


def test_debuggers_can_look_at_references() -> None:
    """`repr` says what it is, and probing for special attributes finds none."""
    seen: list[object] = []

    @saga
    def s(trip: dict[str, Any]) -> None:
        payment: Any = pay.node(1)
        seen.append(repr(payment.amount))
        seen.append(repr(trip["days"][0]))
        seen.append(hasattr(payment, "__array__"))
        seen.append(hasattr(payment, "_repr_html_"))

    assert seen == ["<reference to pay.amount>", "<reference to trip['days'][0]>", False, False]


def test_private_names_are_no_guess() -> None:
    """Of a value of unknown type, tools that probe for private attributes find none."""
    found: list[bool] = []

    @saga
    def s(anything: Any) -> Any:
        found.append(hasattr(anything, "_repr_html_"))
        return look.node(anything["_id"])

    assert found == [False]
    assert run(s, {"_id": 3}) == 3


def test_copies_of_a_reference_are_the_reference() -> None:
    """`replace` and `deepcopy` of records that hold references work."""
    seen: list[bool] = []

    @saga
    def s() -> Any:
        amount = pay.node(1).amount
        seen.append(copy.deepcopy([amount])[0] is amount)
        seen.append(copy.copy(amount) is amount)
        return look.node(replace(Payment(1), amount=amount))

    assert seen == [True, True]
    assert run(s, None)["amount"] == 1


def test_field_names_are_the_values_own() -> None:
    """A reference has no attributes that a field of the value could be hidden by."""

    @saga
    def s() -> list[Any]:
        payment = pay.node(1)
        return [payment.facts, payment._note]  # pyright: ignore[reportPrivateUsage]

    assert run(s, None) == [7, "n"]


def test_a_reference_ends_with_its_saga() -> None:
    """Kept beyond the saga function, it has no fields any more."""
    kept: list[Any] = []

    @saga
    def first() -> None:
        kept.append(pay.node(1))

    with pytest.raises(TraceError, match=r'pay\.amount: saga "first" has been traced'):
        _ = kept[0].amount


def test_a_reference_is_not_for_another_saga() -> None:
    """Handed to a node of another saga, or to `after=`, it is a mistake that names both."""
    kept: list[Any] = []

    @saga
    def first() -> None:
        kept.append(pay.node(1))

    def declare() -> None:
        @saga
        def second() -> None:
            look.node(kept[0])
            look.options(node="late", after=kept).node(1)

    argument, after = mistakes_in(declare)
    assert argument.startswith('saga "second", node "look", parameter "value": pay belongs to saga')
    assert argument.endswith('"first", not to this one; give it to a subsaga as its params')
    assert after == (
        'saga "second", node "late": after= names pay of saga "first", which is not in this one'
    )


def test_an_action_is_not_called_in_a_saga() -> None:
    """Forgetting `.node` is told as that, not as a missing argument."""

    def declare() -> None:
        @saga
        def s(amount: Any) -> None:
            loose_pay(amount)

    assert "in a saga function write pay.node(...)" in mistakes_in(declare)[0]


def test_after_takes_a_list() -> None:
    """A single reference as `after=` is told to be put into a list."""

    def declare() -> None:
        @saga
        def s() -> None:
            before: Any = pay.node(1)
            look.options(after=before).node(1)

    assert "after= takes a list of references: after=[pay]" in mistakes_in(declare)[0]
