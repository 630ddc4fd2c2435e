"""Each verb in each state of the table in docs/operations.md, on the real engine."""

from __future__ import annotations

import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sagacity import Client, SagaStateError, Sec
from sagacity.core.actions import ActionRegistry
from sagacity.core.agenda import StuckReason
from sagacity.core.decisions import NO_NODE, OF_NODES, Answer, Verb, Verdict, judge_decision
from sagacity.core.events import Adopted, Event, EventKind
from sagacity.core.folding import replay
from sagacity.core.values import NULL, encode
from sagacity.engine.intake import new_saga, take_in
from sagacity.engine.requests import Request, new_request
from sagacity.ports.store import SagaStore
from tests.engine.conftest import Stores

MADE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_decisions.py"))
CASES: dict[str, tuple[int, Sequence[Event]]] = {
    name: (node, log) for name, node, log in MADE["CASES"]
}
AT_REST = [name for name in CASES if name.startswith(("ready", "paused", "stuck", "succ", "aban"))]
"""States that a coordinator with the code leaves as they are."""
VALUES = {Verb.SET_OUTPUT: encode(1), **MADE["_AT"]}


def dag_of(case: str) -> Any:
    return MADE["DAGS"].get(case, MADE["PLAIN"])


def saga_id(verb: Verb) -> UUID:
    return UUID(int=1 + list(Verb).index(verb))


def request_of(case: str, verb: Verb) -> Request:
    path = dag_of(case).paths[CASES[case][0]] if verb in OF_NODES else ""
    return new_request(verb, path, by="ann", request_id=UUID(int=99), value=VALUES.get(verb))


def expected(case: str, verb: Verb, *, adopted: bool) -> Verdict:
    node, log = CASES[case]
    state = replay(dag_of(case), NULL, log)
    if adopted and state.finished is None:
        state = replay(dag_of(case), NULL, [*log, Adopted("another")])
    about = node if verb in OF_NODES else NO_NODE
    return judge_decision(state, verb, about, VALUES.get(verb))


async def fill(store: SagaStore, case: str) -> None:
    """Store one saga for each verb, all of them in the state of `case`."""
    log, dag = CASES[case][1], dag_of(case)
    intake = take_in(dag, None, None, 1_000)
    state = replay(dag, NULL, log)
    for verb in Verb:
        stored = new_saga(intake, saga_id(verb), state, log, now_ms=0, owner="", epoch=0)
        assert await store.create(stored) is None


async def check(backend: Client | Sec, case: str, *, adopted: bool) -> None:
    for verb in Verb:
        verdict, request = expected(case, verb, adopted=adopted), request_of(case, verb)
        before = await decided(backend, verb)
        if verdict.answer is Answer.REFUSED:
            for _ in range(2):
                with pytest.raises(SagaStateError) as refused:
                    await backend.decide(saga_id(verb), request)
                assert refused.value.why == verdict.why, (case, verb)
        else:
            is_changed = verdict.answer is Answer.ALLOWED
            assert await backend.decide(saga_id(verb), request) is is_changed, (case, verb)
            before += is_changed
        if verdict.answer is Answer.ALLOWED and verb is not Verb.ABANDON:
            assert await backend.decide(saga_id(verb), request) is False, (case, verb)
        assert await decided(backend, verb) == before, (case, verb)


async def decided(backend: Client | Sec, verb: Verb) -> int:
    events = (await backend.get(saga_id(verb))).events
    return sum(event.kind is EventKind.DECIDED for event in events)


@pytest.mark.parametrize("case", CASES)
async def test_each_verb_does_what_the_table_says_without_a_coordinator(
    stores: Stores, case: str
) -> None:
    """Allowed, a no-op, or refused with the reason; the same request again changes nothing."""
    store = stores()
    async with Client(store) as client:
        await fill(store, case)
        await check(client, case, adopted=True)


@pytest.mark.parametrize("case", AT_REST)
async def test_each_verb_does_what_the_table_says_with_a_coordinator(
    stores: Stores, case: str
) -> None:
    """The same, where the saga may go on at once."""
    store = stores()
    async with Client(store):
        await fill(store, case)
    actions = ActionRegistry()
    for action in MADE["ACTIONS"]:
        actions.register(action)
    async with Sec(stores(), actions) as sec:
        await check(sec, case, adopted=False)


def test_every_state_has_a_row() -> None:
    """Those that sagas have, and each reason to be stuck."""
    for word in ("ready", "queued", "running", "paused", "waiting for code", "succeeded", "unwound",
                 "abandoned", *(f"stuck: {why}" for why in StuckReason)):  # fmt: skip
        assert word in CASES
