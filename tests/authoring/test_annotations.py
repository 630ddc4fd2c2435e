"""Annotations as strings: what `from __future__ import annotations` makes of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from sagacity.authoring import Context, action, make_context, saga
from sagacity.authoring.annotations import hints_of
from tests.authoring.driving import finished, mistakes_in, run

if TYPE_CHECKING:
    from decimal import Decimal


def test_classes_of_the_module_are_found() -> None:
    """Those that are defined below the action as well: they are there when a saga uses it."""

    @saga
    def trips(trip: Later) -> int:
        return measure.node(trip)

    assert run(trips, Later(4)) == 4


@action(read_only=True)
async def measure(ctx: Context[Any], trip: Later) -> int:
    return trip.days


@dataclass
class Later:
    days: int


def test_classes_of_a_function_are_found() -> None:
    """Records defined in a test, nested in each other, with undos and subsagas around them."""

    class Options(TypedDict):
        fast: bool

    class Pair(NamedTuple):
        first: int
        options: Options

    class Model(BaseModel):
        pair: Pair

    @dataclass
    class Trip:
        model: Model
        pairs: list[Pair]

    @action
    async def book(ctx: Context[Trip], trip: Trip) -> Model:
        return trip.model

    @book.undo
    async def unbook(ctx: Context[Trip], model: Model | None, trip: Trip) -> None: ...

    @action(read_only=True)
    async def more(ctx: Context, pair: Pair, fast: bool) -> Pair:
        return pair

    @saga
    def inner(trip: Trip) -> Model:
        return book.node(trip)

    @saga(name="outer")
    def outer(trip: Trip) -> Pair:
        model = inner.node(Trip(trip.model, trip.pairs))
        return more.node(model.pair, trip.pairs[0].options["fast"])

    model = Model(pair=Pair(1, {"fast": True}))
    assert run(outer, Trip(model, [model.pair])) == model.pair
    assert finished(unbook(make_context(), None, Trip(model, []))) is None


def test_names_of_all_enclosing_functions_are_found() -> None:
    """The innermost wins, as Python reads it."""

    @dataclass
    class Trip:
        days: int

    @dataclass
    class Shadowed:
        wrong: int

    def declare() -> Any:
        @dataclass
        class Shadowed:
            right: int

        @action(read_only=True)
        async def look(ctx: Context, trip: Trip, other: Shadowed) -> int:
            return other.right

        @saga
        def s(trip: Trip) -> int:
            return look.node(trip, Shadowed(trip.days))

        return s

    assert Shadowed(1).wrong == 1
    assert run(declare(), Trip(3)) == 3


def test_what_is_imported_for_checkers_only_is_a_mistake() -> None:
    """It is not there when the saga runs; the text names the parameter and what is missing."""

    @action(read_only=True)
    async def price(ctx: Context, amount: Decimal) -> None: ...

    def declare() -> None:
        @saga
        def s() -> None:
            price.node(cast("Decimal", 1))

    (mistake,) = mistakes_in(declare)
    assert mistake.startswith('saga "s", node "price", parameter "amount": annotation \'Decimal\'')
    assert "cannot be resolved (name 'Decimal' is not defined)" in mistake


@dataclass
class Unreadable:
    amount: Decimal


def test_fields_of_unknown_type_may_be_anything() -> None:
    """Whether a record can be read is told once, by its parameter, and not by each field."""

    @action(read_only=True)
    async def look(ctx: Context, value: int) -> int:
        return value

    def declare() -> None:
        @saga
        def s(params: Unreadable) -> None:
            look.node(cast("int", params.amount))

    (mistake,) = mistakes_in(declare)
    assert mistake.startswith('saga "s", parameter "params": Unreadable has no JSON form')


def test_hints_that_cannot_be_resolved_are_unknown() -> None:
    """One name that is not there hides the types of all fields, and their names stay."""
    assert hints_of(Unreadable, {}) == {"amount": Any}


def test_the_type_of_dependencies_need_not_be_there() -> None:
    """Nobody reads a context from JSON: what `Context[...]` names may be for checkers only."""

    @action(read_only=True)
    async def price(ctx: Context[Decimal]) -> int:
        return 1

    @saga
    def s() -> int:
        return price.node()

    assert run(s, None) == 1


@pytest.mark.parametrize("days", [1, 2])
def test_each_function_call_has_its_own_classes(days: int) -> None:
    """Classes of the same name made twice are not mixed up."""

    @dataclass
    class Trip:
        days: int

    @action(read_only=True)
    async def look(ctx: Context, trip: Trip) -> bool:
        return type(trip) is Trip

    @saga
    def s(trip: Trip) -> bool:
        return look.node(trip)

    assert run(s, Trip(days))
