"""Whether everything was kept: each log by the judge, and against the world outside."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psycopg

from benchmarks.chaos.sagas import BOOKED
from sagacity.core.codec import decode_log
from sagacity.core.definition import dag_of
from sagacity.core.events import Adopted, How, Succeeded, UndoFinished
from sagacity.core.nodes import NodeKind
from sagacity.ports.store import MAX_PAGE, SagaQuery
from sagacity.testing.checkers import judge_stored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from benchmarks.chaos.participants import Ledger
    from benchmarks.chaos.sagas import Order
    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag
    from sagacity.ports.store import SagaStore, StoredSaga

Booked = Counter[tuple[str, str]]
"""How often each effect was done and undone in the database."""
ENDS: Final = frozenset({"succeeded", "unwound"})


@dataclass(slots=True)
class Verdict:
    """What was found in the store."""

    ledger: Ledger
    bookings: Booked
    states: Counter[str] = field(default_factory=Counter[str])
    owners: Counter[int] = field(default_factory=Counter[int])
    """How many sagas had how many owners."""
    events: int = 0
    wrong: list[str] = field(default_factory=list[str])
    takeovers: list[tuple[UUID, int, str]] = field(default_factory=list[tuple["UUID", int, str]])
    """Saga, epoch, and who had it before, of each adoption from somebody."""
    _seen: set[UUID] = field(default_factory=set["UUID"])

    async def look(self, store: SagaStore, told: Mapping[UUID, tuple[str, Order]]) -> None:
        """Judge all sagas of a store; `told` are those that were acknowledged."""
        after: UUID | None = None
        while True:
            heads = await store.list(SagaQuery(after=after, limit=MAX_PAGE))
            for head in heads:
                self._judge(await store.read(head.id), told.get(head.id))
            if len(heads) < MAX_PAGE:
                break
            after = heads[-1].id
        self.wrong += [f"{each} is lost" for each in told.keys() - self._seen]
        if self.bookings:
            self.wrong.append(f"bookings of nobody: {[*self.bookings][:5]}")

    def _judge(self, stored: StoredSaga, told: tuple[str, Order] | None) -> None:
        head = stored.head
        self._seen.add(head.id)
        self.states[head.state] += 1
        violations = judge_stored(stored)
        if violations:
            self.wrong.append(f"{head.id}: {violations}")
            return
        dag, log = dag_of(stored.document, stored.constants), list(decode_log(stored.records))
        self._note(head.id, log)
        if head.state not in ENDS:
            self.wrong.append(f"{head.id} is {head.state}")
            return
        self._compare(head.id, head.state, dag)
        self._compare_bookings(head.id, dag, log)
        if told is not None:
            expected = must_end(*told, dag)
            if expected and head.state != expected:
                self.wrong.append(f"{head.id} is {head.state}, told {told}")

    def _note(self, saga_id: UUID, log: list[LoggedEvent]) -> None:
        self.events += len(log)
        self.owners[len({each.owner for each in log if each.owner})] += 1
        owner = ""
        for each in log:
            if isinstance(each.event, Adopted) and owner:
                self.takeovers.append((saga_id, each.epoch, owner))
            owner = each.owner

    def _compare(self, saga_id: UUID, state: str, dag: Dag) -> None:
        wanted = {
            path
            for path, action in actions_of(dag).items()
            if action != BOOKED and state == "succeeded"
        }
        there = self.ledger.of(saga_id)
        if there != wanted:
            self.wrong.append(
                f"{saga_id} {state}: left over {there - wanted}, lost {wanted - there}"
            )

    def _compare_bookings(self, saga_id: UUID, dag: Dag, log: list[LoggedEvent]) -> None:
        """Hold each transaction against its record: both are there, once, or neither is."""
        wanted: Booked = Counter()
        for each in log:
            match each.event:
                case Succeeded(node):
                    direction = "do"
                case UndoFinished(node, how) if how is How.UNDONE:
                    direction = "undo"
                case _:
                    continue
            if dag.nodes[node].action == BOOKED:
                wanted[f"{saga_id}/{dag.paths[node]}", direction] += 1
        for path in dag.paths:
            for direction in ("do", "undo"):
                effect = (f"{saga_id}/{path}", direction)
                found = self.bookings.pop(effect, 0)
                if found != wanted[effect]:
                    self.wrong.append(f"{effect}: {found} times, its log says {wanted[effect]}")


def must_end(name: str, order: Order, dag: Dag) -> str:
    """Return how a saga must end, whatever else happens to it; empty: either way."""
    actions = {path.rpartition("/")[2]: action for path, action in actions_of(dag).items()}
    if order.fail in actions:
        return "unwound"
    if order.lose in actions and actions[order.lose] in {"careful", "threaded", BOOKED}:
        return "unwound"
    # A transaction whose commit fails is a failure of its node.
    return "" if name == "booking" else "succeeded"


def actions_of(dag: Dag) -> dict[str, str]:
    """Return the actions of the nodes that have one, by their paths."""
    pairs = zip(dag.paths, dag.nodes, strict=True)
    return {path: node.action for path, node in pairs if node.kind is NodeKind.ACTION}


def bookings_in(url: str) -> Booked:
    """Return what is in the table of the transactional actions."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT effect, direction, count(*) FROM booking GROUP BY 1, 2")
        return Counter({(effect, direction): count for effect, direction, count in rows})
