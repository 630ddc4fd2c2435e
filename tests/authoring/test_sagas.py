import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from sagacity.authoring import Context, Saga, action, saga
from sagacity.core.bindings import Const, ParamsOf
from sagacity.core.definition import definition_of
from sagacity.core.nodes import NodeKind
from sagacity.errors import DagError, TraceError, ValueNotStorable
from tests.authoring.driving import mistakes_in, parents_of, run


@dataclass
class Trip:
    who: str
    days: int


@dataclass
class Leg:
    place: str
    nights: int


@action(read_only=True)
async def add(ctx: Context, numbers: list[int]) -> int:
    return sum(numbers)


@action(read_only=True)
async def plan_leg(ctx: Context, place: str, nights: int) -> Leg:
    return Leg(place, nights)


@action(read_only=True)
async def look(ctx: Context, value: Any) -> Any:
    return value


@saga
def legs(trip: Trip) -> Leg:
    """Plan the legs."""
    there = plan_leg.options(node="there").node("sea", trip.days)
    return plan_leg.options(node="back", after=[there]).node(trip.who, there.nights)


@saga(name="no params", version="7")
def constant() -> int:
    return add.node([1, 2])


def test_a_saga_says_what_it_is() -> None:
    """Its name and version are the function's, unless given."""
    assert (legs.name, legs.version, legs.__doc__) == ("legs", "1", "Plan the legs.")
    assert (constant.name, constant.version, constant.dag.version) == ("no params", "7", "7")
    assert repr(legs) == '<saga "legs">'


def test_params_are_stored_as_their_type_says() -> None:
    """What is no params of the saga is refused before anything is created."""
    assert legs.encode_params(Trip("ann", 3)) == b'{"days":3,"who":"ann"}'
    assert constant.encode_params(None) == b"null"
    nothing: Any = 3
    with pytest.raises(ValueNotStorable, match='saga "no params" takes no params'):
        constant.encode_params(nothing)
    with pytest.raises(ValueNotStorable, match="not of type Trip"):
        legs.encode_params(nothing)


def test_people_write_params_as_json() -> None:
    """JSON from a command line is read as JSON says: a date is a text, strict or not."""

    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        day: dt.date = Field(alias="onDay")

    @saga
    def s(params: Strict) -> Any:
        return look.node(params.day)

    params = s.read_params('{"onDay": "2024-05-01"}')
    assert params.day == dt.date(2024, 5, 1)
    assert s.encode_params(params) == b'{"day":"2024-05-01"}'
    assert constant.read_params("null") is None
    for text in ('{"onDay": 3}', "{"):
        with pytest.raises(ValueNotStorable, match="not of type Strict: "):
            s.read_params(text)
    with pytest.raises(ValueNotStorable):
        constant.read_params("3")


def test_the_output_is_read_as_its_type_says() -> None:
    """What a saga gives is a value of the type that the function returns."""
    assert legs.decode_output(b'{"place":"sea","nights":3}') == Leg("sea", 3)
    assert run(legs, Trip("ann", 3)) == Leg("ann", 3)


def test_without_an_annotation_the_output_is_what_is_returned() -> None:
    """The type of the returned reference is the type of the output."""

    @saga
    def loose(trip: Trip):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return plan_leg.node("sea", trip.days)

    assert run(loose, Trip("ann", 3)) == Leg("sea", 3)


def test_actions_of_subsagas_are_the_sagas_own() -> None:
    """A coordinator that knows a saga knows all actions that its runs need."""

    @saga
    def outer(trip: Trip) -> Any:
        return look.node(legs.node(trip))

    assert [each.name for each in outer.actions] == ["plan_leg", "look"]
    assert outer.actions[0] is plan_leg.typed


def test_a_subsaga_is_part_of_the_dag() -> None:
    """Its nodes hang below its name, its output is one value, its params are its own."""

    @saga
    def outer(trip: Trip) -> int:
        first = legs.node(trip)
        days = add.node([first.nights, 1])
        second = legs.options(node="more", after=[days]).node(Trip(who="bo", days=days))
        return add.options(node="sum").node([first.nights, second.nights, trip.days])

    dag = outer.dag
    assert {"legs", "legs/there", "legs/back", "more", "more/there"} <= set(dag.by_path)
    assert parents_of(dag, "add") == {"legs"}
    assert parents_of(dag, "legs") == {"legs/back"}
    assert run(outer, Trip("ann", 3)) == 3 + 4 + 3


def test_params_of_a_subsaga_can_be_anything_that_a_node_takes() -> None:
    """A field, a constant or a record around references."""

    @saga
    def outer(trips: list[Trip]) -> list[Leg]:
        return [
            legs.options(node="a").node(trips[0]),
            legs.options(node="b").node(Trip("bo", 5)),
            legs.options(node="c").node(Trip(trips[0].who, days=7)),
        ]

    assert run(outer, [Trip("ann", 3)]) == [Leg("ann", 3), Leg("bo", 5), Leg("ann", 7)]


def test_subsagas_can_be_nested() -> None:
    """Params and names of each level are its own."""

    @saga
    def middle(days: int) -> int:
        return add.node([legs.node(Trip("x", days)).nights, days])

    @saga
    def outer(days: int) -> int:
        return add.node([middle.node(days), constant.node()])

    assert run(outer, 5) == 13
    assert "middle/legs/there" in outer.dag.by_path


loose_legs: Any = legs
loose_constant: Any = constant

USES: list[tuple[Callable[[], Any], str]] = [
    (lambda: loose_legs.node("x"), "parameter \"trip\": 'x': not of type Trip"),
    (lambda: loose_legs.node(add.node([1])), 'parameter "trip": add is int, not Trip'),
    (lambda: loose_constant.node(3), 'node "no params": the subsaga takes no params'),
    (lambda: [legs.node(Trip("x", 1)), legs.node(Trip("x", 1))], "more than once"),
    (lambda: look.node(loose_legs.node(Trip("x", 1)).plaec), 'Leg has no field "plaec"'),
]


@pytest.mark.parametrize(("use", "text"), USES)
def test_a_subsaga_is_checked_like_a_node(use: Callable[[], Any], text: str) -> None:
    """Params, name and fields of the output."""

    def declare() -> None:
        @saga
        def s() -> None:
            use()

    (mistake,) = mistakes_in(declare)
    assert text in mistake


def test_a_subsaga_is_for_saga_functions_only() -> None:
    """To run a saga there is a coordinator; the text says so."""
    with pytest.raises(TraceError, match=r"give it to a Sec: await sec\.run"):
        legs.node(Trip("x", 1))


# -- dynamic sagas -----------------------------------------------------------------


@saga(dynamic=True)
def each_leg(trips: list[Trip]) -> Any:
    return [
        plan_leg.options(node=f"leg-{number}").node(trip.who, trip.days)
        for number, trip in enumerate(trips)
    ]


def test_the_shape_of_a_dynamic_saga_depends_on_its_params() -> None:
    """It is traced with the real params; what is the same shape is the same definition."""
    two = each_leg.dag_for([Trip("ann", 1), Trip("bo", 2)])
    assert [node.name for node in two.nodes] == ["leg-0", "leg-1"]
    assert two.dynamic
    other = each_leg.dag_for([Trip("x", 9), Trip("x", 9)])
    assert definition_of(other) == definition_of(two)
    assert definition_of(each_leg.dag_for([Trip("x", 9)])) != definition_of(two)
    assert run(each_leg, [Trip("ann", 1), Trip("bo", 2)]) == [
        {"place": "ann", "nights": 1},
        {"place": "bo", "nights": 2},
    ]


def test_a_dynamic_saga_has_no_one_dag() -> None:
    """Asking for it is told what to ask for instead."""
    with pytest.raises(TraceError, match=r"use dag_for\(params\)"):
        _ = each_leg.dag


def test_a_dynamic_saga_sees_what_its_actions_would_see() -> None:
    """It is given its params as they come back from JSON, and checks them first."""
    got: list[Any] = []

    @saga(dynamic=True)
    def s(trip: Trip) -> None:
        got.append(trip)
        look.node(trip.who)

    given: Any = {"who": "ann", "days": "3"}
    s.dag_for(given)
    assert got == [Trip("ann", 3)]
    with pytest.raises(ValueNotStorable):
        s.dag_for(given | {"days": "x"})


def test_params_handed_on_whole_are_not_copied() -> None:
    """They are stored with the saga; a node refers to them, unless they were changed."""

    @saga(dynamic=True)
    def s(trip: Trip) -> None:
        look.options(node="same").node(trip)
        trip.days += 1
        look.options(node="changed").node(trip)

    dag = s.dag_for(Trip("ann", 1))
    assert dag.nodes[0].inputs == {"value": ParamsOf(-1)}
    assert dag.nodes[1].inputs == {"value": Const(0)}
    assert dag.constants == (b'{"days":2,"who":"ann"}',)


def test_params_changed_into_what_cannot_be_stored_are_a_mistake() -> None:
    """Handed on, they are a constant like any other, and refused like it."""

    @saga(dynamic=True)
    def s(trip: Trip) -> None:
        trip.days = 2**64
        look.node(trip)

    assert "integer outside" in mistakes_in(lambda: s.dag_for(Trip("ann", 1)))[0]


def test_mistakes_of_a_dynamic_saga_are_found_at_each_create() -> None:
    """The same checks run then."""

    @saga(dynamic=True)
    def s(n: int) -> None:
        for _ in range(n):
            look.node(1)

    assert len(s.dag_for(1).nodes) == 1
    assert "more than once" in mistakes_in(lambda: s.dag_for(2))[0]
    assert "no nodes" in mistakes_in(lambda: s.dag_for(0))[0]


def test_a_dynamic_saga_can_be_a_subsaga_of_known_params() -> None:
    """Its shape is then known when the outer saga is traced; with references it is not."""

    @saga
    def outer() -> Any:
        return each_leg.node([Trip("ann", 1)])

    def declare() -> None:
        @saga
        def s(trip: Trip) -> Any:
            return each_leg.node([trip])

    assert run(outer, None) == [{"place": "ann", "nights": 1}]
    assert "must be given params that are known" in mistakes_in(declare)[0]


def test_mistakes_of_a_subsaga_are_told_with_the_outer_ones() -> None:
    """A dynamic subsaga's mistakes show when the outer saga is traced."""

    @saga(dynamic=True)
    def inner(n: int) -> None:
        for _ in range(n):
            look.node(1)

    def declare() -> None:
        @saga
        def outer() -> None:
            inner.node(2)
            look.node(1)
            look.node(2)

    subsaga, own = mistakes_in(declare)
    assert subsaga.startswith('saga "outer": subsaga: saga "inner", node "look": the name is used')
    assert own.startswith('saga "outer", node "look": the name is used')


def test_a_dynamic_saga_may_contain_itself() -> None:
    """With smaller params, of course."""

    @saga(dynamic=True)
    def tree(n: int) -> int:
        if n == 0:
            return add.node([1])
        return add.node([tree.options(node="left").node(n - 1), tree.node(n - 1)])

    assert run(tree, 3) == 8
    assert [each.name for each in tree.actions] == ["add"]


def test_an_endless_saga_is_a_mistake() -> None:
    """One that contains itself without an end is told, and nothing is left behind."""

    @saga(dynamic=True)
    def endless(n: int) -> Any:
        return endless.node(n + 1)

    with pytest.raises(DagError, match="RecursionError"):
        endless.dag_for(1)


def test_static_sagas_have_one_dag_for_all_params() -> None:
    """Asking for that of certain params gives it."""
    assert legs.dag_for(Trip("x", 1)) is legs.dag
    assert all(node.kind is NodeKind.ACTION for node in legs.dag.nodes)


def declare_with(**options: Any) -> Saga[Any, Any]:
    @saga(**options)
    def s() -> Any:
        return look.node(1)

    return s


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"siblings": "kill"}, 'siblings=\'kill\' must be "finish" or "cancel"'),
        ({"on_stuck": "stop"}, 'on_stuck=\'stop\' must be "continue" or "halt"'),
        ({"name": ""}, "a saga's name has 1 to 200 characters"),
        ({"name": "x" * 201}, "a saga's name has 1 to 200 characters"),
        ({"actions": [add]}, "actions= is for dynamic sagas"),
        ({"actions": [print], "dynamic": True}, "actions= takes actions and sagas, not <built-in"),
    ],
)
def test_options_that_cannot_be_are_mistakes(options: dict[str, Any], text: str) -> None:
    """They are told like all others, dynamic or not."""
    (mistake,) = mistakes_in(lambda: declare_with(**options))
    assert text in mistake
