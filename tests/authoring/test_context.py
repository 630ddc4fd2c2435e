import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from sagacity.authoring import Context, action, make_context, saga
from sagacity.authoring.detached import DetachedSaga
from sagacity.core.data import SagaData
from sagacity.testing.contexts import context
from tests.authoring.driving import SAGA_ID, run


@dataclass
class Payment:
    amount: int


@action(read_only=True)
async def pay(ctx: Context, amount: int) -> Payment:
    return Payment(amount)


@action(read_only=True)
async def other(ctx: Context) -> None: ...


@action(read_only=True)
async def look(ctx: Context, name: str) -> Any:
    return ctx.lookup(name)


@action(read_only=True)
async def look_typed(ctx: Context) -> int:
    paid: Payment = ctx.lookup("pay", Payment)
    maybe: Payment | None = ctx.lookup("pay", Payment | None)
    assert maybe == paid
    return paid.amount


@action(read_only=True)
async def params(ctx: Context) -> Any:
    return [ctx.params(), ctx.params(dict[str, int])]


@saga
def inner(amounts: dict[str, int]) -> Any:
    paid = pay.node(amounts["a"])
    return [params.node(), look.options(after=[paid]).node("pay")]


@saga
def outer(amount: int) -> Any:
    paid = pay.node(amount)
    typed = look_typed.options(after=[paid]).node()
    return [typed, inner.node({"a": typed})]


@saga
def blind(name: str) -> Any:
    paid = pay.options(node="paid").node(1)
    other.node()
    between = other.options(node="between", after=[paid]).node()
    return look.options(after=[between]).node(name)


def test_outputs_are_looked_up_in_the_nodes_own_saga() -> None:
    """The nearest node of the name is meant: each (sub)saga has names and params of its own."""
    assert run(outer, 5) == [5, [[{"a": 5}, {"a": 5}], {"amount": 5}]]


def test_what_is_looked_up_may_be_far_above() -> None:
    """Any ancestor is seen, not only the parents."""
    assert run(blind, "paid") == {"amount": 1}


@pytest.mark.parametrize("name", ["other", "nowhere", "look"])
def test_what_is_no_ancestor_is_not_found(name: str) -> None:
    """A look-up that depended on who was faster fails always, and says what can be seen."""
    with pytest.raises(LookupError) as caught:
        run(blind, name)
    assert str(caught.value) == (
        f'saga {SAGA_ID}, node "look": "{name}" is no node that it depends on in its (sub)saga; '
        'it can look up: "paid", "between"'
    )


def attempt(node: str, *, undo: bool, output: bytes | None = None) -> Context[str]:
    """Return the context of an attempt in a run of `outer`."""
    data = SagaData(outer.dag, b"5")
    index = outer.dag.find(node)
    data.outputs[outer.dag.find("pay")] = b'{"amount":5}'
    if output is not None:
        data.outputs[index] = output
    return Context(
        DetachedSaga(data, SAGA_ID, 9),
        index,
        deps="deps",
        attempt=2,
        undo=undo,
        outcome_known=output is not None,
        began_ms=1_700_000_000_123,
    )


def test_a_context_says_who_it_is() -> None:
    """Names, attempt, dependencies and the token of the owner."""
    ctx = attempt("look_typed", undo=False)
    assert (ctx.node_name, ctx.node_label, ctx.attempt) == ("look_typed", "look_typed", 2)
    assert (ctx.saga_id, ctx.deps, ctx.fencing_token) == (SAGA_ID, "deps", 9)


def test_keys_are_stable() -> None:
    """One key for all attempts of a direction, one for the effect that both are about."""
    do, undo = attempt("inner/pay", undo=False), attempt("inner/pay", undo=True)
    assert do.effect_key == undo.effect_key == f"{SAGA_ID}/inner/pay"
    assert do.idempotency_key == f"{SAGA_ID}/inner/pay/do"
    assert undo.idempotency_key == f"{SAGA_ID}/inner/pay/undo"


def test_no_two_nodes_share_a_key() -> None:
    """Also where one is called as another would be written in a header."""
    names = ["é", "%C3%A9", "a b", "a%20b", "%"]
    keys = {make_context(node=name).effect_key for name in names}
    assert len(keys) == len(names)
    assert all(key.isascii() and key.isprintable() for key in keys)


def test_an_undo_finds_its_own_output() -> None:
    """Besides what the do could see; the do itself has none yet."""
    undo = attempt("look_typed", undo=True, output=b"5")
    assert (undo.lookup("look_typed"), undo.lookup("pay", Payment)) == (5, Payment(5))
    with pytest.raises(LookupError):
        attempt("look_typed", undo=False).lookup("look_typed")


def test_an_unknown_outcome_has_no_output() -> None:
    """An undo that meets one is told so, instead of being given a None that looks like a value."""
    ctx = attempt("look_typed", undo=True)
    assert not ctx.outcome_known
    with pytest.raises(LookupError, match="whether it had its effect is not known"):
        ctx.lookup("look_typed")


def test_a_look_up_of_another_type_is_an_error() -> None:
    """The type says what the author relies on; JSON that is something else is refused."""
    with pytest.raises(ValueError, match="validation error"):
        attempt("look_typed", undo=False).lookup("pay", int)


def test_log_records_say_where_they_come_from(caplog: pytest.LogCaptureFixture) -> None:
    """Every record has saga, node and attempt, besides what the author adds; texts stay as is."""
    with caplog.at_level(logging.INFO):
        attempt("inner/pay", undo=False).log.info("%d%% done", 50, extra={"mine": 1})
    (record,) = caplog.records
    facts: Any = record
    assert record.getMessage() == "50% done"
    assert (facts.saga_id, facts.node, facts.attempt) == (str(SAGA_ID), "inner/pay", 2)
    assert (facts.mine, record.name) == (1, "sagacity.actions")


async def test_a_unit_test_makes_its_own_context() -> None:
    """With dependencies, params and what can be looked up; values pass through JSON."""
    ctx = context(
        {"db": 1},
        params={"a": 1},
        lookups={"pay": Payment(3)},
        node="hotel",
        label="Hotel",
        attempt=4,
        saga_id=UUID(int=1),
        fencing_token=8,
    )
    assert await look_typed(ctx) == 3
    assert (ctx.deps, ctx.params(dict[str, int])) == ({"db": 1}, {"a": 1})
    assert (ctx.node_name, ctx.node_label, ctx.attempt) == ("hotel", "Hotel", 4)
    assert ctx.idempotency_key == f"{UUID(int=1)}/hotel/do"
    assert ctx.fencing_token == 8
    with pytest.raises(LookupError, match='it can look up: "pay"'):
        ctx.lookup("paid")


def test_a_unit_test_makes_the_context_of_an_undo() -> None:
    """With the node's own output, or with an outcome that is not known."""
    ctx = make_context(undo=True, output=Payment(3), node="pay")
    assert ctx.lookup("pay", Payment) == Payment(3)
    assert ctx.idempotency_key.endswith("/pay/undo")
    unknown = make_context(undo=True, outcome_known=False)
    assert not unknown.outcome_known
    with pytest.raises(LookupError):
        unknown.lookup("node")


def test_a_unit_test_gives_values_of_types_that_only_who_looks_them_up_states() -> None:
    """A set given for an output is a set for who asks for one, as in a saga."""
    ctx = context(lookups={"seats": {1, 2}, "names": {1: "a"}})

    assert ctx.lookup("seats", set[int]) == {1, 2}
    assert ctx.lookup("names", dict[int, str]) == {1: "a"}
