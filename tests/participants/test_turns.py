"""What each level promises, on each driver."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from sagacity.errors import RequestChanged, TokenStale, ValueNotStorable
from sagacity.participants import MAX_ANSWER_BYTES, Level, Verdict
from tests.participants.services import Service, request

SEAT = request().effect
EACH_LEVEL = pytest.mark.parametrize("level", Level)
ABOVE_IDEMPOTENT = pytest.mark.parametrize("level", [Level.TOMBSTONE, Level.FENCED])


@EACH_LEVEL
async def test_a_repeated_do_gets_the_first_answer_and_no_second_effect(
    service: Service[Any], level: Level
) -> None:
    """Also when it would be refused by now."""
    first = await service.ask(request(level=level))
    again = await service.ask(request(level=level), sold_out=True)

    assert first == (Verdict.CARRY_OUT, "booked")
    assert again == (Verdict.REPEATED, "booked")
    assert len(await service.seats()) == 1


@ABOVE_IDEMPOTENT
async def test_an_undo_takes_back_once_and_knows_what_was_done(
    service: Service[Any], level: Level
) -> None:
    """It is told the answer of the do, and repeated like one."""
    await service.ask(request(level=level))
    first = await service.ask(request("undo", level=level))
    again = await service.ask(request("undo", level=level))

    assert first == (Verdict.CARRY_OUT, "cancelled what was booked")
    assert again == (Verdict.REPEATED, "cancelled what was booked")
    assert await service.seats() == []


@ABOVE_IDEMPOTENT
async def test_an_undo_that_comes_first_makes_each_late_do_a_no_op(
    service: Service[Any], level: Level
) -> None:
    """For ever: the undo is its tombstone."""
    verdicts = [
        (await service.ask(request(direction, level=level)))[0]
        for direction in ("undo", "do", "undo", "do")
    ]

    nothing, late = Verdict.NOTHING_TO_UNDO, Verdict.TOO_LATE
    assert verdicts == [nothing, late, nothing, late]
    assert await service.seats() == []


async def test_without_tombstones_a_late_do_lands_after_its_undo(service: Service[Any]) -> None:
    """At level idempotent do and undo know nothing of each other: this is what tombstones are for."""
    await service.ask(request("undo", level=Level.IDEMPOTENT), sold_out=True)
    late = await service.ask(request(level=Level.IDEMPOTENT))

    assert late == (Verdict.CARRY_OUT, "booked")


@ABOVE_IDEMPOTENT
async def test_a_do_that_was_refused_is_refused_for_ever(
    service: Service[Any], level: Level
) -> None:
    """No undo follows a definite no, so a duplicate of the do must not land; if one comes, there is nothing to undo."""
    refused = await service.ask(request(level=level), sold_out=True)
    again = await service.ask(request(level=level))
    undo = await service.ask(request("undo", level=level))

    assert refused == (Verdict.CARRY_OUT, "sold out")
    assert again == (Verdict.REPEATED, "sold out")
    assert undo == (Verdict.NOTHING_TO_UNDO, None)
    assert await service.seats() == []


@EACH_LEVEL
async def test_a_key_stands_for_one_request(service: Service[Any], level: Level) -> None:
    """The same key with other content is an error of the client's; what was done stands."""
    await service.ask(request(level=level))
    with pytest.raises(RequestChanged, match="other content") as refused:
        await service.ask(request(level=level, content=b"14C"))

    assert (refused.value.effect, refused.value.status) == (request(level=level).effect, 422)
    assert await service.ask(request(level=level)) == (Verdict.REPEATED, "booked")


async def test_do_and_undo_may_have_different_content(service: Service[Any]) -> None:
    """Each direction has its own digest."""
    await service.ask(request(content=b"12A"))
    undo, _ = await service.ask(request("undo", content=b"never mind"))

    assert undo is Verdict.CARRY_OUT


async def test_an_owner_that_was_replaced_is_refused(service: Service[Any]) -> None:
    """For all effects of the saga, as soon as its successor has asked for one; a repeated request too."""
    await service.ask(request(token=1))
    await service.ask(request(token=2, node="meal"))
    for node in ("seat", "meal", "bag"):
        with pytest.raises(TokenStale, match="token 1 is lower than 2") as refused:
            await service.ask(request(token=1, node=node))
        assert (refused.value.token, refused.value.highest) == (1, 2)
        assert refused.value.status == 412

    assert await service.ask(request(token=2)) == (Verdict.REPEATED, "booked")


async def test_tokens_of_different_sagas_are_not_compared(service: Service[Any]) -> None:
    """Each saga has owners of its own."""
    await service.ask(request(token=7, saga=1))

    assert (await service.ask(request(token=1, saga=2)))[0] is Verdict.CARRY_OUT


async def test_below_fenced_no_token_is_looked_at(service: Service[Any]) -> None:
    """A stale owner can have an effect at level tombstone, until its undo."""
    await service.ask(request(token=2, node="meal", level=Level.TOMBSTONE))
    stale = await service.ask(request(token=1, level=Level.TOMBSTONE))

    assert stale == (Verdict.CARRY_OUT, "booked")


async def test_any_order_of_late_and_repeated_requests_leaves_nothing(
    service: Service[Any],
) -> None:
    """Two dos and two undos, in all orders: the seat is booked at most once, and free at the end."""
    for number, order in enumerate(set(permutations(["do", "do", "undo", "undo"]))):
        verdicts = [
            (await service.ask(request(each, saga=number, level=Level.TOMBSTONE)))[0]
            for each in order
        ]
        assert verdicts.count(Verdict.CARRY_OUT) in {0, 2}
    assert await service.seats() == []


async def test_an_effect_without_its_answer_cannot_be_committed(service: Service[Any]) -> None:
    """A turn that ends without `finish` or `refuse` raises, and so the transaction is given up."""
    with pytest.raises(RuntimeError, match="`finish` or `refuse` it"):
        async with service.transaction() as connection, service.turn(connection, request()):
            await service.run(connection, "INSERT INTO seats VALUES ('x')")

    assert await service.seats() == []
    assert (await service.ask(request()))[0] is Verdict.CARRY_OUT


async def test_a_request_that_failed_was_never_there(service: Service[Any]) -> None:
    """The transaction is given up with the exception, the token and the tombstone with it."""
    with pytest.raises(ZeroDivisionError):
        async with (
            service.transaction() as connection,
            service.turn(connection, request("undo", token=9)),
        ):
            raise ZeroDivisionError

    assert await service.ask(request(token=1)) == (Verdict.CARRY_OUT, "booked")


async def test_an_answer_is_said_once_and_kept_within_a_limit(service: Service[Any]) -> None:
    """And only of what is to be carried out; an undo cannot be refused for good."""
    most = "x" * (MAX_ANSWER_BYTES - 2)  # two quotes
    async with service.transaction() as connection:
        async with service.turn(connection, request()) as turn:
            with pytest.raises(ValueNotStorable, match="over the limit of 65,536"):
                turn.finish(most + "x")
            turn.finish(most)
            with pytest.raises(RuntimeError, match="answered already"):
                turn.finish(most)
        async with service.turn(connection, request()) as turn:
            with pytest.raises(RuntimeError, match="answered already"):
                turn.refuse()
        async with service.turn(connection, request("undo")) as turn:
            with pytest.raises(RuntimeError, match="cannot be refused for good"):
                turn.refuse()
            assert turn.done == most
            turn.finish()

    assert await service.ask(request()) == (Verdict.REPEATED, most)
    assert await service.ask(request("undo")) == (Verdict.REPEATED, None)


async def test_old_rows_are_forgotten_in_bounded_batches(service: Service[Any]) -> None:
    """Those that no request was about for so long; a later request about an effect keeps it."""
    for number in range(3):
        await service.ask(request(saga=number, level=Level.TOMBSTONE))
    async with service.transaction() as connection:
        await service.run(connection, "UPDATE saga_requests SET seen_at = seen_at - 100")
    await service.ask(request(saga=0, level=Level.TOMBSTONE))

    removed: list[int] = []
    for _ in range(3):
        async with service.transaction() as connection:
            removed.append(await service.forget(connection, unseen_seconds=50, most=1))

    assert removed == [1, 1, 0]
    assert await service.ask(request(saga=0, level=Level.TOMBSTONE)) == (Verdict.REPEATED, "booked")


@pytest.mark.parametrize(("unseen", "most"), [(-1, 1), (1, 0), (1, 10_001)])
async def test_forgetting_has_limits(service: Service[Any], unseen: int, most: int) -> None:
    """One call removes at most 10,000 rows."""
    async with service.transaction() as connection:
        with pytest.raises(ValueError, match=r"must be within 1 \.\. 10,000"):
            await service.forget(connection, unseen_seconds=unseen, most=most)
