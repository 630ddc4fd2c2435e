"""Secrets through a coordinator: actions get them, callers get them typed, views never do."""

from __future__ import annotations

from uuid import UUID

import pytest

from sagacity import Client, Context, Retry, SagaExists, Sec, Secret, Succeeded, action, saga
from sagacity.core.events import EventKind
from sagacity.testing import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import Facts

ID = UUID(int=1)


@action(read_only=True)
async def log_in(ctx: Context, password: Secret[str]) -> Secret[str]:
    return Secret(f"hunter-token of {password.reveal()}")


@action(read_only=True, retry=Retry(attempts=5, backoff=60, jitter=0))
async def guess(ctx: Context, token: Secret[str]) -> Secret[int]:
    looked_up = ctx.lookup("log_in")
    assert looked_up == token
    assert ctx.lookup("log_in", Secret[str]) == token
    raise ConnectionError(f"no answer to {token}")


@saga
def entered(password: Secret[str]) -> Secret[str]:
    return log_in.node(password)


@saga
def guessed(password: Secret[str]) -> Secret[int]:
    return guess.node(log_in.node(password))


async def test_the_result_is_the_secret(stores: Stores) -> None:
    """Typed, and also where nothing is known of the saga."""
    token = Secret("hunter-token of hunter2")
    async with Sec(stores(), [entered]) as sec:
        assert await sec.run(entered, Secret("hunter2"), id=ID) == token
        assert await sec.handle(ID).result() == token
    async with Client(stores()) as client:
        assert await client.handle(ID).result() == token


async def test_what_is_shown_of_a_saga_has_no_secret_in_it(stores: Stores) -> None:
    """Neither its outcome nor any part of its view."""
    async with Sec(stores(), [entered]) as sec:
        handle = await sec.create(entered, Secret("hunter2"))
        await handle.start()
        assert await handle.wait() == Succeeded("***")
        view = await handle.view()
    assert view.params == "***"
    assert view.node("log_in").output == "***"
    assert view.masked
    assert "hunter" not in repr(view)
    assert "hunter" not in repr(view.dag.constants) + repr(view.log)


async def test_an_output_that_a_person_sets_is_stored_as_that_of_the_action(
    stores: Stores,
) -> None:
    """The plain value becomes a secret where the code says that it is one."""
    facts = Facts()
    async with Sec(stores(), [guessed], clock=ManualClock(), observers=[facts]) as sec:
        handle = await sec.create(guessed, Secret("hunter2"))
        await handle.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "guess")
        assert await handle.set_output("guess", 6660666)
        assert await handle.result() == Secret(6660666)
        view = await handle.view()
    assert "6660666" not in repr(view)
    assert next(e.data for e in view.events if e.kind is EventKind.ATTEMPT_FAILED)["message"] == (
        "no answer to ***"
    )


async def test_the_same_id_with_the_same_secret_is_the_same_saga(stores: Stores) -> None:
    """What is compared is what is stored, not what is shown."""
    async with Sec(stores(), [entered]) as sec:
        await sec.create(entered, Secret("hunter2"), id=ID)
        await sec.create(entered, Secret("hunter2"), id=ID)
        with pytest.raises(SagaExists) as caught:
            await sec.create(entered, Secret("hunter3"), id=ID)
    assert "hunter" not in str(caught.value)
