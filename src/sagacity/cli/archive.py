"""The format of `export` and `import`: JSON lines, one saga each, whole and checked.

    {"sagacity_export": 1,
     "head": {"id": ..., "name": ..., "state": ..., "labels": {...},
              "created_ms": ..., "updated_ms": ...},
     "definition": {...}, "constants": [...], "params": ...,
     "records": [[first_sequence, record], ...],
     "masked": ["params.password", ...]}

Secrets are never in it: each holds `***`, and `masked` says where. Such a saga can be
read in if it had ended; one that had not could not go on without them.

A definition and a record are as in the store (docs/saga-log.md). Reading trusts
nothing: the definition is built and the log is folded, and the state of the saga is
what the log adds up to, whatever the head says.

Epochs count the owners of one store and mean nothing in another: what is read is
moved to epoch 0, below that of every coordinator, so that the log's epochs never go
back. Times and the names of owners stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import orjson

from sagacity.core.codec import decode_log, decode_record, encode_record
from sagacity.core.definition import constants_of, dag_of, definition_of
from sagacity.core.folding import fold_log
from sagacity.core.masking import masked, secret_places
from sagacity.core.sealed import refuse_sealed
from sagacity.core.values import MOST_VALUE_BYTES, encode
from sagacity.engine.intake import check_labels
from sagacity.engine.summaries import summary_of
from sagacity.errors import LogCorrupt, SagacityError
from sagacity.ports.store import MAX_TEXT_BYTES, NewSaga, SagaStatus, Summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.core.definition import Definition
    from sagacity.core.values import Json
    from sagacity.ports.store import StoredSaga

FORMAT: Final = 1
MAX_LINE_BYTES: Final = 4 * MAX_TEXT_BYTES
LATEST_MS: Final = 2**53


@dataclass(frozen=True, slots=True)
class Archived:
    """A saga that was read and found to be whole. Records: `(record, number of its events)`."""

    id: UUID
    name: str
    definition: Definition
    constants: Json
    params: Json
    labels: Mapping[str, str]
    records: Sequence[tuple[Json, int]]
    summary: Summary
    created_ms: int
    updated_ms: int

    @property
    def event_count(self) -> int:
        """How long its log is."""
        return sum(count for _, count in self.records)

    @property
    def resting(self) -> Summary:
        """What lists show of it while its last record is not in."""
        return Summary(SagaStatus.READY, self.summary.direction)

    def beginning(self, owner: str) -> NewSaga:
        """Return what creates the saga with its first record.

        If that is not all, in a state in which nobody drives it.
        """
        record, count = self.records[0]
        whole = len(self.records) == 1
        return NewSaga(
            id=self.id,
            name=self.name,
            definition=self.definition,
            constants=self.constants,
            params=self.params,
            labels=self.labels,
            record=record,
            event_count=count,
            summary=self.summary if whole else self.resting,
            created_ms=self.created_ms,
            owner=owner,
            epoch=0,
        )


def line_of(stored: StoredSaga) -> bytes:
    """Return a stored saga as a line (without its end).

    Raises:
        PayloadUnreadable: it was read without its codec.
    """
    for _, record in stored.records:
        refuse_sealed(orjson.loads(record))
    head = stored.head
    secrets = [
        *[f"params{place}" for place in secret_places(stored.params)],
        *[f"constants{place}" for place in secret_places(stored.constants)],
        *[
            f"records[{index}][1]{place}"
            for index, (_, record) in enumerate(stored.records)
            for place in secret_places(record)
        ],
    ]
    return orjson.dumps(
        {
            "sagacity_export": FORMAT,
            "head": {
                "id": str(head.id),
                "name": head.name,
                "state": head.state.value,
                "labels": dict(head.labels),
                "created_ms": head.created_ms,
                "updated_ms": head.updated_ms,
            },
            "definition": orjson.Fragment(stored.document),
            "constants": orjson.Fragment(masked(stored.constants)),
            "params": orjson.Fragment(masked(stored.params)),
            "records": [
                [first, orjson.Fragment(masked(record))] for first, record in stored.records
            ],
            "masked": secrets,
        }
    )


def read_line(line: bytes) -> Archived:
    """Return the saga of a line, checked whole.

    Raises:
        LogCorrupt: the line is none, or its saga cannot be; the text says what is wrong.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LogCorrupt(f"not JSON: {error}") from error
    match document:
        case {"sagacity_export": int(form)} if form != FORMAT:
            raise LogCorrupt(f"export of format {form}; this build reads format {FORMAT}")
        case {
            "sagacity_export": int(),
            "head": {
                "id": str(saga_id),
                "name": str(name),
                "labels": {**labels},
                "created_ms": int(created_ms),
                "updated_ms": int(updated_ms),
            },
            "definition": {**definition},
            "constants": [*constants],
            "params": params,
            "records": [_, *_] as records,
        }:
            try:
                return _checked(
                    saga_id=UUID(saga_id),
                    name=name,
                    labels=check_labels(cast("Mapping[str, str]", labels)),
                    document=_json(definition),
                    constants=_json(constants),
                    params=encode(params, limit_bytes=MOST_VALUE_BYTES),
                    records=[_moved(record) for record in records],
                    times=(created_ms, updated_ms),
                    secrets=document.get("masked", []),
                )
            except (ValueError, TypeError, SagacityError) as error:
                raise LogCorrupt(f"saga {saga_id:.60}: {error}") from error
        case _:
            raise LogCorrupt("not a line of an export: a part is missing, or of another type")


def _checked(
    *,
    saga_id: UUID,
    name: str,
    labels: Mapping[str, str],
    document: Json,
    constants: Json,
    params: Json,
    records: Sequence[tuple[int, Json, int]],
    times: tuple[int, int],
    secrets: Any,
) -> Archived:
    dag = dag_of(document, constants)
    definition = definition_of(dag)
    if definition.document != document or constants_of(dag) != constants:
        raise LogCorrupt("its definition is not as sagacity writes it")
    if name != dag.name:
        raise LogCorrupt(f"its name {name!r:.60} is not that of its definition")
    if not all(0 <= time_ms <= LATEST_MS for time_ms in times):
        raise LogCorrupt(f"times out of bounds: {times}")
    log = decode_log((first, record) for first, record, _ in records)
    state = fold_log(dag, params, log)
    if secrets and state.finished is None:
        raise LogCorrupt(
            f"it has not ended, and its secrets are not in an export ({secrets!r:.200}): it cannot "
            "go on from this one. Let it end where it is, or start it anew"
        )
    return Archived(
        id=saga_id,
        name=name,
        definition=definition,
        constants=constants,
        params=params,
        labels=labels,
        records=[(record, count) for _, record, count in records],
        summary=summary_of(state),
        created_ms=times[0],
        updated_ms=times[1],
    )


def _moved(document: Any) -> tuple[int, Json, int]:
    """Return `(first_sequence, record, number of events)` of a record, moved to epoch 0."""
    match document:
        case [int(first), record]:
            time_ms, _, events = decode_record(_json(record))
            return first, encode_record(events, time_ms=time_ms, epoch=0), len(events)
        case _:
            raise LogCorrupt(f"not a record with its sequence: {document!r:.80}")


def _json(value: Any) -> Json:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
