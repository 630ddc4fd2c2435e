"""Poison payloads: whatever people and actions hand in is stored or refused, and ends recorded.

The corpus is that of the acceptance list: each value is refused alike by every store,
before the effect where that can be, and no saga but its own is harmed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn
from uuid import UUID

import pytest

from sagacity import ActionFailed, Client, SagaUnwound, Sec, ValueNotStorable
from sagacity.core.decisions import Verb
from sagacity.core.events import ErrorKind
from sagacity.core.values import (
    INT_MAX,
    INT_MIN,
    MAX_DEPTH,
    MAX_VALUE_BYTES,
    MOST_VALUE_BYTES,
    encode,
)
from sagacity.engine.control import decision_command, read_request
from sagacity.engine.requests import new_request
from sagacity.ports.store import SagaQuery
from tests.engine.conftest import Stores
from tests.engine.world import World, dag_of, registry_of

ID = UUID(int=1)


class Hostile:
    """Raises from everything that somebody might ask of it."""

    def __repr__(self) -> NoReturn:
        raise SystemExit("repr")

    __str__ = __repr__
    __reduce__ = __repr__  # pyright: ignore[reportAssignmentType]
    __bool__ = __repr__

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> NoReturn:
        raise SystemExit("eq")


class HostileError(Exception):
    """Cannot be shown."""

    def __str__(self) -> NoReturn:
        raise SystemExit("str")

    __repr__ = __str__


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def circle() -> list[Any]:
    value: list[Any] = []
    value.append({"a": value})
    return value


REFUSED: dict[str, Callable[[], Any]] = {
    "a NUL": lambda: "a\0b",
    "a NUL in a name": lambda: {"a\0b": 1},
    "a lone surrogate": lambda: "\ud800",
    "a lone surrogate in a name": lambda: [{"\udfff": 1}],
    "NaN": lambda: math.nan,
    "infinity": lambda: [math.inf],
    "minus infinity": lambda: {"a": -math.inf},
    "1e999": lambda: float("1e999"),
    "an integer above": lambda: INT_MAX + 1,
    "an integer below": lambda: INT_MIN - 1,
    "an integer of 100,000 digits": lambda: 10**100_000,
    "a name of 100,000 digits": lambda: {10**100_000: 1},
    "one level too many": lambda: deep(MAX_DEPTH + 1),
    "100,000 levels": lambda: deep(100_000),
    "a circle": circle,
    "100 MiB": lambda: "a" * (100 * 1024 * 1024),
    "one byte too many": lambda: "a" * (MAX_VALUE_BYTES - 1),
    "a date": lambda: date(2026, 1, 2),
    "bytes": lambda: b"a",
    "a set": lambda: {1},
    "a decimal": lambda: Decimal(1),
    "a complex number": lambda: 1j,
    "a hostile object": Hostile,
    "a hostile name": lambda: {Hostile(): 1},
    "a class": lambda: Hostile,
}
TAKEN: dict[str, Callable[[], Any]] = {
    "the largest integer": lambda: INT_MAX,
    "the smallest integer": lambda: INT_MIN,
    "the deepest value": lambda: deep(MAX_DEPTH),
    "the largest value": lambda: "a" * (MAX_VALUE_BYTES - 2),
    "odd text": lambda: "\u202e\x7f\u2028\U0010ffff",
    "the smallest float": lambda: 5e-324,
    "the largest float": lambda: sys.float_info.max,
    "many names": lambda: {str(number): number for number in range(10_000)},
}


async def ids_in(sec: Sec) -> list[UUID]:
    return [each.id for each in (await sec.list()).items]


@pytest.mark.parametrize("name", REFUSED)
async def test_params_are_refused_before_anything_is_stored(
    stores: Stores, world: World, name: str
) -> None:
    """With the reason; the coordinator runs the next saga as if nothing had been."""
    dag = dag_of("a")
    async with Sec(stores(), registry_of(world)) as sec:
        with pytest.raises(ValueNotStorable) as caught:
            await sec.create(dag, REFUSED[name]())
        assert len(str(caught.value)) < 400
        assert await ids_in(sec) == []
        assert await sec.run(dag, None) == "a"


@pytest.mark.parametrize("name", REFUSED)
async def test_an_output_is_refused_and_the_saga_unwinds(
    stores: Stores, world: World, name: str
) -> None:
    """The effect may be there: it is undone, with the reason in the log; others go on."""
    value = REFUSED[name]()
    world.on("do b", lambda _ctx: given(value))
    dag = dag_of("a", "b", action="typed")
    async with Sec(stores(), registry_of(world)) as sec:
        with pytest.raises(SagaUnwound) as caught:
            await sec.run(dag, id=ID)
        (error,) = caught.value.outcome.errors
        assert (error.kind, error.effect) == (ErrorKind.OUTPUT, "possible")
        assert world.calls == ["do a", "do b", "undo b", "undo a"]
        assert await sec.run(dag_of("c"), None) == "c"


async def given(value: Any) -> Any:
    return value


@pytest.mark.parametrize("name", TAKEN)
async def test_what_is_allowed_comes_back_as_it_was(
    stores: Stores, world: World, name: str
) -> None:
    """As params and as output, at the limit itself, from every store."""
    value = TAKEN[name]()
    world.on("do a", lambda _ctx: given(value))
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.run(dag_of("a"), value, id=ID) == value
        assert (await sec.get(ID)).params == value


@pytest.mark.parametrize("name", [each for each in REFUSED if each != "a hostile name"])
async def test_the_data_of_an_error_is_left_out_if_it_cannot_be_stored(
    stores: Stores, world: World, name: str
) -> None:
    """The error itself is recorded, and says so."""
    world.fail("do a", ActionFailed("the bank is busy", REFUSED[name]()))
    async with Sec(stores(), registry_of(world)) as sec:
        with pytest.raises(SagaUnwound) as caught:
            await sec.run(dag_of("a"), id=ID)
    (error,) = caught.value.outcome.errors
    assert error.message.startswith("the bank is busy (its data cannot be stored: ")
    assert error.data is None


@pytest.mark.parametrize(
    ("error", "class_name"),
    [
        (HostileError(), "HostileError"),
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (BaseException("\0\ud800" * 10_000), "BaseException"),
        (BaseExceptionGroup("many", [HostileError(), SystemExit(1)]), "BaseExceptionGroup"),
        (StopIteration(), "StopIteration"),
        (MemoryError(), "MemoryError"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_whatever_an_action_raises_is_recorded_and_undone(
    stores: Stores, world: World, error: BaseException, class_name: str
) -> None:
    """With its class, and text that can be stored; do and undo alike, and others go on."""

    async def fails(_ctx: Any) -> NoReturn:
        raise error

    world.on("do b", fails)
    async with Sec(stores(), registry_of(world)) as sec:
        with pytest.raises(SagaUnwound) as caught:
            await sec.run(dag_of("a", "b", action="typed"), id=ID)
        (told,) = caught.value.outcome.errors
        # A coroutine cannot raise StopIteration: Python makes something else of it.
        assert told.class_name == class_name.replace("StopIteration", "RuntimeError")
        assert told.message
        assert told.traceback
        told.message.encode()
        assert "\0" not in told.message + told.traceback
        assert world.calls[-2:] == ["undo b", "undo a"]
        assert await sec.run(dag_of("c"), None) == "c"


# -- limits -------------------------------------------------------------------------------


async def test_the_limit_of_a_value_can_be_set(stores: Stores, world: World) -> None:
    """For params and outputs; the error says what can be done."""
    world.give("do a", "a" * 100)
    async with Sec(stores(), registry_of(world), max_value_bytes=50) as sec:
        with pytest.raises(ValueNotStorable, match=r"over the limit of 50: .* max_value_bytes"):
            await sec.create(dag_of("a"), "a" * 49)
        with pytest.raises(SagaUnwound, match="value of 102 bytes is over the limit of 50"):
            await sec.run(dag_of("a", action="typed"), "a" * 48, id=ID)
    large = "a" * (2 * MAX_VALUE_BYTES)
    world.give("do a", large)
    async with Sec(stores(), registry_of(world), max_value_bytes=MOST_VALUE_BYTES) as sec:
        assert await sec.run(dag_of("a"), large, id=UUID(int=2)) == large


@pytest.mark.parametrize("limit", [0, MOST_VALUE_BYTES + 1])
def test_the_limit_of_a_value_has_limits(stores: Stores, limit: int) -> None:
    """Records of stores have a limit, too."""
    with pytest.raises(ValueError, match=f"max_value_bytes={limit}: it must be within"):
        Sec(stores(), max_value_bytes=limit)


async def test_values_at_the_limit_leave_room_for_undo_and_decisions(
    stores: Stores, world: World
) -> None:
    """Outputs of 16 MiB, the longest errors, and what people say of them: all is appended."""
    large = "a" * (MOST_VALUE_BYTES - 2)
    longest = ActionFailed("m" * 100_000, "d" * (64 * 1024 - 2))
    dag = dag_of(["a", "b", "c"], "z", action="typed")
    for each in "abc":
        world.give(f"do {each}", large)
    world.fail("do z", longest)
    world.fail("undo a", longest)
    async with Sec(stores(), registry_of(world), max_value_bytes=MOST_VALUE_BYTES) as sec:
        handle = await sec.create(dag, large, id=ID)
        await handle.start()
        await handle.wait()
        assert await handle.skip("a", "r" * 2_000, by="b" * 200)
        await handle.wait()
        assert (await handle.view()).state == "unwound"


async def test_what_a_person_sets_at_the_limit_fits_through_the_inbox(
    stores: Stores,
) -> None:
    """With all that goes with it, and nested as deep as a value may be."""
    store = stores()
    async with Client(store) as client:
        await client.create(dag_of("a"), id=ID)
        for value in (
            encode("a" * (MOST_VALUE_BYTES - 2), limit_bytes=MOST_VALUE_BYTES),
            encode(deep(MAX_DEPTH)),
        ):
            request = new_request(
                Verb.SET_OUTPUT, "a", reason="r" * 2_000, by="b" * 200, value=value
            )
            command = decision_command(ID, request)
            assert await store.send(command)
            assert read_request((await store.take())[-1]) == request
        await store.done([command.request_id for command in await store.take()])


async def test_no_store_is_left_with_what_was_refused(stores: Stores, world: World) -> None:
    """Not even for a moment: there is no saga of it."""
    store = stores()
    async with Sec(store, registry_of(world)) as sec:
        for make in REFUSED.values():
            with pytest.raises(ValueNotStorable):
                await sec.run(dag_of("a"), make())
        assert await store.list(SagaQuery()) == []
        assert world.calls == []
