from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from sagacity.authoring import Context, Saga, action, saga
from sagacity.core.bindings import Const, ListOf, ObjectOf, OutputOf, ParamsOf
from sagacity.core.dag import OnStuck, Siblings
from sagacity.core.dag_mistakes import MAX_NODES
from sagacity.core.definition import definition_of
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.errors import TraceError
from tests.authoring.driving import mistakes_in, parents_of, run


@dataclass
class Trip:
    who: str
    days: int


@dataclass
class Payment:
    amount: int
    trip: Trip


class Box(NamedTuple):
    number: int
    name: str


class Model(BaseModel):
    size: int
    anything: Any = None


@action
async def charge(ctx: Context, trip: Trip) -> Payment:
    return Payment(trip.days * 10, trip)


@charge.undo
async def refund(ctx: Context, payment: Payment | None, trip: Trip) -> None: ...


@action(atomic=True, label="Count things")
def count(
    ctx: Context, things: list[int], more: dict[str, int] | None = None, *, by: int = 1
) -> int:
    return by * (sum(things) + sum((more or {}).values()))


@count.undo
def uncount(ctx: Context, counted: int) -> None: ...


@action(read_only=True)
async def look(ctx: Context, value: Any = None) -> Any:
    return value


@action(read_only=True)
async def ready(ctx: Context) -> None: ...


def test_a_node_is_made_from_its_action() -> None:
    """Name, version, label and undo contract of a node are its action's."""

    @saga(version="3", siblings="cancel", on_stuck="halt")
    def trips(trip: Trip) -> int:
        payment = charge.node(trip)
        return count.node([payment.amount])

    first, second = trips.dag.nodes
    assert (first.kind, first.name, first.label, first.action) == (
        NodeKind.ACTION,
        "charge",
        "charge",
        "charge",
    )
    assert (first.version, first.atomic, first.undoing) == ("1", False, Undoing.ANY)
    assert (second.label, second.atomic, second.undoing) == ("Count things", True, Undoing.KNOWN)
    assert (trips.dag.name, trips.dag.version) == ("trips", "3")
    assert (trips.dag.siblings, trips.dag.on_stuck) == (Siblings.CANCEL, OnStuck.HALT)
    assert not trips.dag.dynamic


def test_references_become_bindings_and_edges() -> None:
    """What is handed to a node says where it comes from, and that the node depends on it."""

    @saga
    def trips(trip: Trip) -> str:
        payment = charge.node(trip)
        look.node(trip.days)
        look.options(node="two").node(payment.trip.who)
        return payment.trip.who

    nodes = trips.dag.nodes
    assert nodes[0].inputs == {"trip": ParamsOf(-1)}
    assert nodes[1].inputs == {"value": ParamsOf(-1, ("days",))}
    assert nodes[2].inputs == {"value": OutputOf(0, ("trip", "who"))}
    assert trips.dag.edges == ((0, 2),)
    assert trips.dag.output == OutputOf(0, ("trip", "who"))


def test_plain_values_become_constants() -> None:
    """A value that is there when the saga is traced is stored with its definition, once."""

    @saga
    def trips() -> None:
        charge.node(Trip("ann", 3))
        look.node([1, 2])
        look.options(node="again").node([1, 2])

    assert trips.dag.constants == (b'{"days":3,"who":"ann"}', b"[1,2]")
    assert trips.dag.nodes[2].inputs == {"value": Const(1)}


def test_what_is_not_given_is_not_bound() -> None:
    """A default is the function's own business, and may change with it."""

    @saga
    def counting() -> int:
        return count.node([1])

    (node,) = counting.dag.nodes
    assert node.inputs is not None
    assert list(node.inputs) == ["things"]
    assert run(counting, None) == 1


def test_keyword_arguments_are_bound_by_name() -> None:
    """`.node` is called like the function, keyword-only parameters included."""

    @saga
    def counting(n: int) -> int:
        return count.node(by=n, things=[1, n])

    assert run(counting, 5) == 30


def test_references_inside_lists_and_dicts_are_resolved() -> None:
    """A list or dict may mix references and plain values; the action gets values."""

    @saga
    def counting(n: int) -> int:
        one = count.node([n, 2])
        return count.options(node="both").node([one, 100], {"n": n, "three": 3})

    node = counting.dag.nodes[1]
    assert node.inputs == {
        "things": ListOf((OutputOf(0), Const(1))),
        "more": ObjectOf((("n", ParamsOf(-1)), ("three", Const(2)))),
    }
    assert run(counting, 1) == 107


def test_references_inside_records_are_resolved() -> None:
    """A dataclass, named tuple or model can be made around references."""

    @saga
    def trips(trip: Trip) -> list[Any]:
        days = count.node([trip.days])
        payment = charge.node(Trip(who=trip.who, days=days))
        box = look.options(node="box").node(Box(days, "b"))
        model = look.options(node="model").node(Model(size=1, anything=[days]))
        return [payment.amount, payment.trip, box, model]

    result = run(trips, Trip("bo", 4))
    assert result == [40, {"who": "bo", "days": 4}, [4, "b"], {"size": 1, "anything": [4]}]


def test_tuples_keep_the_type_of_each_item() -> None:
    """In a tuple, a constant next to a reference is checked by its own type."""

    @action(read_only=True)
    async def pair(ctx: Context, it: tuple[int, str]) -> str:
        return f"{it}"

    @saga
    def pairs(n: int) -> str:
        return pair.node((n, "x"))

    def wrong() -> None:
        bad: Any = 3

        @saga
        def pairs(n: int) -> str:
            return pair.node((n, bad))

    assert run(pairs, 2) == "(2, 'x')"
    assert mistakes_in(wrong) == (
        'saga "pairs", node "pair", parameter "it": 3: not of type str: Input should be a valid string',
    )


class Opaque:
    """Nothing that JSON could say."""


@dataclass
class Holder:
    trip: Trip | None
    opaque: Opaque | None = None


def test_dicts_stand_for_records() -> None:
    """A dict of references is read as the record that is wanted; what it is, is known then."""

    @action(read_only=True)
    async def days(ctx: Context, trip: Trip | None) -> int:
        return trip.days if trip else 0

    loose_days: Any = days

    @saga
    def s(trip: Trip) -> list[int]:
        return [
            days.node(trip),
            loose_days.options(node="two").node({"who": "x", "days": trip.days}),
        ]

    assert run(s, Trip("ann", 3)) == [3, 3]


def test_parts_of_a_type_without_json_are_taken_as_json() -> None:
    """Where the whole may be anything, a part that has no codec must be JSON itself."""

    @saga
    def s(trip: Trip) -> Any:
        return look.node(Holder(trip))

    assert run(s, Trip("ann", 3)) == {"trip": {"who": "ann", "days": 3}, "opaque": None}


def test_what_is_nested_too_deep_is_a_mistake() -> None:
    """A list that contains itself, with a reference at its bottom or not."""

    def declare() -> None:
        @saga
        def s() -> None:
            endless: list[Any] = []
            endless.append(endless)
            look.node(endless)

    (mistake,) = mistakes_in(declare)
    assert mistake.startswith('saga "s", node "look", parameter "value": [[...]]: ')


def test_after_depends_without_data() -> None:
    """`after=` makes a node wait for others; a field stands for its node."""

    @saga
    def trips(trip: Trip) -> None:
        payment = charge.node(trip)
        checked = ready.node()
        look.options(node="late", after=[payment.amount, checked]).node()

    assert parents_of(trips.dag, "late") == {"charge", "ready"}


def test_a_node_has_each_parent_once() -> None:
    """Using an output twice, and waiting for it as well, is one edge."""

    @saga
    def trips(trip: Trip) -> None:
        payment = charge.node(trip)
        look.options(after=[payment, payment]).node([payment, payment.amount])

    assert trips.dag.edges == ((0, 1),)


def test_a_stage_before_a_stage_costs_their_sum() -> None:
    """A thousand nodes that each wait for the same thousand are a join, not a million edges."""

    @saga
    def wide() -> None:
        first = [look.options(node=f"a{n}").node(n) for n in range(1000)]
        for n in range(1000):
            look.options(node=f"b{n}", after=first).node(n)

    assert len(wide.dag.edges) < 3100
    assert wide.dag.depends_on(wide.dag.find("b999"), wide.dag.find("a0"))
    assert wide.dag.depends_on(wide.dag.find("b0"), wide.dag.find("a999"))


def test_outputs_of_a_stage_can_be_handed_on_through_a_join() -> None:
    """The same list of outputs given to several nodes shares its join, and is still resolved."""

    @saga
    def wide(n: int) -> int:
        ones = [count.options(node=f"a{each}").node([n]) for each in range(20)]
        sums = [count.options(node=f"b{each}").node(ones) for each in range(3)]
        return count.node(sums)

    assert run(wide, 2) == 120
    assert sum(node.kind is NodeKind.JOIN for node in wide.dag.nodes) == 1


def test_a_large_group_with_one_child_needs_no_join() -> None:
    """Collecting many outputs in one node is only edges."""

    @saga
    def collecting() -> int:
        return count.node([count.options(node=f"a{each}").node([each]) for each in range(50)])

    assert len(collecting.dag.nodes) == 51


def test_a_long_line_is_traced() -> None:
    """Ten thousand nodes in a row are no deeper than ten."""

    @saga
    def line(value: int) -> Any:
        for n in range(10_000):
            value = look.options(node=f"n{n}").node(value)
        return value

    assert len(line.dag.edges) == 9_999


def test_tracing_without_an_end_is_ended() -> None:
    """A saga function that never stops making nodes is stopped at the limit of a DAG."""

    def endless() -> None:
        @saga
        def s() -> None:
            n = 0
            while True:
                ready.options(node=f"n{n}").node()
                n += 1

    assert f"at most {MAX_NODES:,} nodes" in mistakes_in(endless)[0]


def test_equal_functions_give_equal_definitions() -> None:
    """Tracing twice gives one definition: it does not depend on hashes, ids or the time."""

    def declare() -> Saga[Trip, Any]:
        @saga
        def trips(trip: Trip) -> Any:
            payment = charge.node(trip)
            return [look.node({"b": payment, "a": 1}), {"x": payment.amount}]

        return trips

    assert definition_of(declare().dag) == definition_of(declare().dag)


def test_node_is_for_saga_functions_only() -> None:
    """Outside of a saga function there is nothing to add a node to; the text says what to do."""
    with pytest.raises(TraceError, match=r"outside of a saga function; to run it in a test, call"):
        ready.node()


def test_a_failed_trace_leaves_nothing_behind() -> None:
    """After a saga function has raised, `.node` is outside of a saga function again."""

    def broken() -> None:
        @saga
        def s() -> None:
            raise RuntimeError("no")

    mistakes_in(broken)
    with pytest.raises(TraceError):
        ready.node()


@pytest.mark.parametrize(
    ("declare", "output"),
    [
        (lambda: _returning(lambda ref: None), None),
        (lambda: _returning(lambda ref: ref["k"]), 1),
        (lambda: _returning(lambda ref: [ref["k"], 2]), [1, 2]),
        (lambda: _returning(lambda ref: {"a": ref}), {"a": {"k": 1}}),
        (lambda: _returning(lambda ref: "plain"), "plain"),
    ],
    ids=["none", "field", "list", "dict", "constant"],
)
def test_what_the_function_returns_is_the_output(
    declare: Callable[[], Saga[None, Any]], output: object
) -> None:
    """The output is a reference, a field, something made of them, a plain value, or null."""
    assert run(declare(), None) == output


def _returning(make: Callable[[Any], Any]) -> Saga[None, Any]:
    @saga
    def s() -> Any:
        return make(look.node({"k": 1}))

    return s
