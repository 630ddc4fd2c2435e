"""Which unfinished sagas of a store some code cannot run: told before it is deployed.

Each definition is judged once, by one of its sagas; what is told is a line for each reason,
however many sagas there are. Sagas are looked at a page at a time.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sagacity.cli.json_documents import UnfinishedDocument
from sagacity.cli.stores import known_store
from sagacity.engine.definitions import Definitions
from sagacity.errors import NoSuchSaga, PayloadUnreadable, StoreCorrupt
from sagacity.ports.store import FINAL, MAX_PAGE, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.cli.loading import Code
    from sagacity.ports.store import SagaHead, SagaStore

MAX_REASONS: Final = 1_000
"""More are counted with the last one."""
MAX_JUDGED: Final = 10_000
"""How many definitions are remembered at a time; dynamic sagas may have one each."""

_UNFINISHED: Final = frozenset(SagaStatus) - FINAL


class Judge:
    """What code lacks for the sagas of a store."""

    def __init__(self, store: SagaStore, code: Code) -> None:
        """Begin with nothing judged."""
        self._store: Final = store
        self._code: Final = code
        self._definitions: Final = Definitions()
        self._judged: Final[dict[str, tuple[str, tuple[str, ...]]]] = {}
        """By fingerprint: the version of the definition, and what is missing."""

    async def judge(self, head: SagaHead) -> tuple[str, tuple[str, ...]]:
        """Return the version of a saga's definition, and what is missing for it."""
        known = self._judged.get(head.fingerprint)
        if known is not None:
            return known
        try:
            dag = self._definitions.dag_of(await self._store.read(head.id))
        except NoSuchSaga:  # removed meanwhile
            return "", ()
        except (StoreCorrupt, PayloadUnreadable) as error:
            return "", (f"it cannot be read: {error}",)
        if len(self._judged) >= MAX_JUDGED:
            self._judged.clear()
        found = self._judged[head.fingerprint] = (
            dag.version,
            tuple(self._code.registry.missing_for(dag)),
        )
        return found


async def cannot_run(url: str, code: Code) -> list[UnfinishedDocument]:
    """Return the unfinished sagas of a store that `code` has not all actions for, by reason.

    Raises:
        click.ClickException: there is no such store.
    """
    store = known_store(url)
    await store.open()
    try:
        return await by_reason(store, Judge(store, code))
    finally:
        await store.close()


async def by_reason(store: SagaStore, judge: Judge) -> list[UnfinishedDocument]:
    """Return what `judge` finds missing for the unfinished sagas of an open store."""
    firsts: dict[tuple[str, str, tuple[str, ...]], SagaHead] = {}
    states: dict[tuple[str, str, tuple[str, ...]], Counter[str]] = {}
    after: UUID | None = None
    while True:
        heads = await store.list(SagaQuery(states=_UNFINISHED, after=after, limit=MAX_PAGE))
        for head in heads:
            version, missing = await judge.judge(head)
            if not missing:
                continue
            reason = (head.name, version, missing)
            if reason not in firsts and len(firsts) >= MAX_REASONS:
                reason = next(reversed(firsts))
            firsts.setdefault(reason, head)
            states.setdefault(reason, Counter())[head.state.value] += 1
        if len(heads) < MAX_PAGE:
            break
        after = heads[-1].id
    return [
        UnfinishedDocument(
            id=str(head.id),
            name=name,
            version=version,
            fingerprint=head.fingerprint,
            state=head.state.value,
            missing=list(missing),
            count=states[name, version, missing].total(),
            states=dict(states[name, version, missing]),
        )
        for (name, version, missing), head in firsts.items()
    ]
