"""The JSON documents that `--json` prints: their fields, each with its meaning.

These classes are the documented schema: `docs/cli.md` is made from them, and the
tests read what the commands print back into them. Times are milliseconds since the
Unix epoch; what does not apply is null. Fields may be added in later versions;
those that are there keep their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

Ms: TypeAlias = int


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """Why a command failed."""

    kind: Annotated[str, "a word that stays: see Kinds of errors"]
    message: Annotated[str, "for people"]


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """What any command prints instead when it fails (exit code 1)."""

    error: Annotated[ErrorDetail, "what went wrong"]


@dataclass(frozen=True, slots=True)
class NodeErrorDocument:
    """One error of one node."""

    node: Annotated[str, "path of the node"]
    undo: Annotated[bool, "whether its undo failed, not its action"]
    kind: Annotated[
        str,
        "action_failed, exception, injected, input, output, cancelled, timed_out, "
        "heartbeat_lost or process_died",
    ]
    message: Annotated[str, "as the code said it"]
    data: Annotated[Any, "what the author attached"]
    effect: Annotated[str | None, "none or possible: what may be left behind; null for undos"]
    class_name: Annotated[str, "the class of the exception, empty if there was none"]
    traceback: Annotated[str, "as text, empty if there is none"]


@dataclass(frozen=True, slots=True)
class NodeDocument:
    """One node of a saga."""

    path: Annotated[str, "unique in the saga: names of subsagas and the node, joined by /"]
    name: Annotated[str, "unique in its (sub)saga"]
    label: Annotated[str, "for people, may be empty"]
    kind: Annotated[str, "action, constant or subsaga_end (a subsaga)"]
    status: Annotated[
        str,
        "never_started, started, succeeded, failed (no effect), unknown (failed, an effect is "
        "possible), undo_started, undone or undo_failed",
    ]
    running: Annotated[bool, "whether its owner has an attempt in flight"]
    attempt: Annotated[int, "how often the action was begun"]
    undo_attempt: Annotated[int, "how often the undo was begun"]
    output: Annotated[Any, "what the action returned"]
    depends_on: Annotated[list[str], "paths of the nodes directly before it"]
    started_ms: Annotated[Ms | None, "first begun"]
    ended_ms: Annotated[Ms | None, "succeeded or failed"]
    undo_started_ms: Annotated[Ms | None, "undo first begun"]
    undo_ended_ms: Annotated[Ms | None, "undo finished or failed"]
    retry_at_ms: Annotated[Ms | None, "when the next attempt is due, while it waits for one"]
    heartbeat: Annotated[Any, "the last detail that its attempts have told, null without any"]
    heartbeat_ms: Annotated[Ms | None, "when the last heartbeat was that is in the log"]


@dataclass(frozen=True, slots=True)
class OutcomeDocument:
    """How a saga ended, or why it does not go on."""

    kind: Annotated[str, "succeeded, unwound, stuck or abandoned"]
    output: Annotated[Any, "of a saga that succeeded"]
    reason: Annotated[str | None, "why it is stuck, or was abandoned"]
    by: Annotated[str | None, "who abandoned it"]


@dataclass(frozen=True, slots=True)
class SagaDocument:
    """A saga, whole (`show`)."""

    id: Annotated[str, "UUID"]
    name: Annotated[str, "of the saga"]
    version: Annotated[str, "of its definition"]
    state: Annotated[
        str,
        "ready, queued, running, paused, stuck, waiting for code, succeeded, unwound or abandoned",
    ]
    direction: Annotated[str, "forward or unwinding"]
    params: Annotated[Any, "its input"]
    labels: Annotated[dict[str, str], "given when it was created"]
    owner: Annotated[str, "the coordinator that drives it or did last, empty if none"]
    coordinator: Annotated[
        bool | None,
        "whether any coordinator is alive on the store: without one the saga stands still, "
        "whatever its state; null in documents of run and demo",
    ]
    epoch: Annotated[int, "grows with each change of owner"]
    created_ms: Annotated[Ms, "when it was created"]
    updated_ms: Annotated[Ms, "when its log last grew"]
    priority: Annotated[int, "-100 to 100; a point counts as a minute of age in the line"]
    fingerprint: Annotated[str, "SHA-256 of its definition"]
    outcome: Annotated[OutcomeDocument | None, "null while it has not ended"]
    errors: Annotated[list[NodeErrorDocument], "of actions, then of undos, in order"]
    nodes: Annotated[list[NodeDocument], "in the order of the DAG"]


@dataclass(frozen=True, slots=True)
class FollowDocument:
    """A saga that was run or watched (`run`, `watch`)."""

    saga: Annotated[SagaDocument | None, "as it was last seen; null if it was never created"]
    interrupted: Annotated[bool, "whether the command was stopped before the saga ended"]
    command: Annotated[str | None, "what to type to go on, if it was"]


@dataclass(frozen=True, slots=True)
class SummaryDocument:
    """A saga in a list; the fields mean what they mean in a saga."""

    id: Annotated[str, "UUID"]
    name: Annotated[str, "of the saga"]
    state: Annotated[str, "as in a saga"]
    direction: Annotated[str, "forward or unwinding"]
    labels: Annotated[dict[str, str], "given when it was created"]
    owner: Annotated[str, "the coordinator that drives it or did last, empty if none"]
    epoch: Annotated[int, "grows with each change of owner"]
    created_ms: Annotated[Ms, "when it was created"]
    updated_ms: Annotated[Ms, "when its log last grew"]
    priority: Annotated[int, "-100 to 100; a point counts as a minute of age in the line"]
    orphaned: Annotated[bool, "whether it has something to do, and nobody alive owns it"]
    hung: Annotated[
        bool | None,
        "whether an attempt takes longer than is expected of it; null unless --hung asked for that",
    ]


@dataclass(frozen=True, slots=True)
class ListDocument:
    """One page of sagas, or all (`list`)."""

    sagas: Annotated[list[SummaryDocument], "ordered by id"]
    coordinator: Annotated[bool, "whether any coordinator is alive on the store, as in a saga"]
    next: Annotated[str | None, "the --after of the following page; null at the end"]


@dataclass(frozen=True, slots=True)
class EventDocument:
    """One event of a log."""

    sequence: Annotated[int, "1, 2, 3 ... without holes"]
    time_ms: Annotated[Ms, "for people; the order is that of the sequence"]
    kind: Annotated[str, "started, succeeded, undo_started ...: the words of the log"]
    node: Annotated[str | None, "path, for events of nodes"]
    attempt: Annotated[int | None, "of started and undo_started"]
    data: Annotated[Any, "an output, an error with its traceback, an owner, a reason"]
    owner: Annotated[str, "who wrote it"]
    epoch: Annotated[int, "under which epoch"]


@dataclass(frozen=True, slots=True)
class LogDocument:
    """The log of a saga (`log`)."""

    id: Annotated[str, "UUID of the saga"]
    name: Annotated[str, "of the saga"]
    events: Annotated[list[EventDocument], "in order"]


@dataclass(frozen=True, slots=True)
class GraphNodeDocument:
    """One node of a DAG."""

    path: Annotated[str, "unique in the saga"]
    label: Annotated[str, "for people, may be empty"]
    kind: Annotated[str, "action, constant or subsaga_end (a subsaga)"]
    action: Annotated[str, "the durable name of its action, empty if it has none"]
    action_version: Annotated[str, "the version of the action, empty if it has none"]
    atomic: Annotated[bool, "whether an exception means that it had no effect"]
    undoing: Annotated[
        str,
        "nothing (nothing to undo), known (an undo that needs the output) or any (an undo that "
        "also accepts an unknown outcome)",
    ]
    step: Annotated[int, "nodes of one step can run at the same time"]
    depends_on: Annotated[list[str], "paths of the nodes directly before it"]
    status: Annotated[str | None, "of a stored saga, as in a saga; null for code"]


@dataclass(frozen=True, slots=True)
class GraphDocument:
    """The DAG of a saga (`graph`)."""

    name: Annotated[str, "of the saga"]
    version: Annotated[str, "of its definition"]
    nodes: Annotated[list[GraphNodeDocument], "in the order of the DAG"]


@dataclass(frozen=True, slots=True)
class ConsequencesDocument:
    """What a failure of an action leads to, when its retries are spent."""

    path: Annotated[str, "of the node"]
    failed: Annotated[str, "if it is known to have had no effect"]
    unknown: Annotated[str, "if it may have had one"]
    asks: Annotated[list[str], "nodes at which the unwinding stops until a person has decided"]


@dataclass(frozen=True, slots=True)
class CheckedSagaDocument:
    """A saga of a module, checked."""

    name: Annotated[str, "of the saga"]
    version: Annotated[str, "of its definition"]
    dynamic: Annotated[bool, "whether its DAG depends on its params"]
    nodes: Annotated[list[GraphNodeDocument] | None, "null if the saga is dynamic, or has mistakes"]
    failures: Annotated[
        list[ConsequencesDocument] | None, "of each action; null if the saga is dynamic"
    ]
    mistakes: Annotated[list[str], "empty if there are none"]


@dataclass(frozen=True, slots=True)
class UnfinishedDocument:
    """Sagas of the store that the code cannot run, all for the same reasons."""

    id: Annotated[str, "UUID of one of them, the one with the lowest"]
    name: Annotated[str, "of the sagas"]
    version: Annotated[str, "of their definition; empty if it cannot be read"]
    fingerprint: Annotated[str, "SHA-256 of the definition of the one"]
    state: Annotated[str, "of the one, as in a saga"]
    missing: Annotated[list[str], "why: what the code has not"]
    count: Annotated[int, "how many there are"]
    states: Annotated[dict[str, int], "how many are in which state"]


@dataclass(frozen=True, slots=True)
class CheckDocument:
    """What was found in modules (`check`)."""

    ok: Annotated[bool, "whether nothing is wrong: the exit code is 0"]
    sagas: Annotated[list[CheckedSagaDocument], "all sagas of the modules"]
    mistakes: Annotated[list[str], "those that belong to none of these sagas"]
    unfinished: Annotated[list[UnfinishedDocument], "with --store: what this code cannot run"]


@dataclass(frozen=True, slots=True)
class CutShortDocument:
    """An attempt that was cut short by the end of a worker."""

    saga: Annotated[str, "UUID of the saga"]
    node: Annotated[str, "path of the node"]


@dataclass(frozen=True, slots=True)
class WorkerDocument:
    """What a worker did until it was stopped (`worker`)."""

    finished: Annotated[dict[str, int], "how many sagas ended, by state"]
    undo_failures: Annotated[int, "how many undos failed for good"]
    cut_short: Annotated[list[CutShortDocument], "attempts that did not end in time"]
    restarts: Annotated[int, "how often a process was started again (--processes)"]


@dataclass(frozen=True, slots=True)
class CoordinatorDocument:
    """A coordinator that is alive."""

    owner: Annotated[str, "its identity, new with each start of a process"]
    epoch: Annotated[int, "grows with each coordinator of the store"]
    sagas: Annotated[dict[str, int], "how many unfinished sagas it owns, by state"]


@dataclass(frozen=True, slots=True)
class CoordinatorsDocument:
    """Who drives sagas of a store (`coordinators`)."""

    coordinators: Annotated[list[CoordinatorDocument], "those that are alive, by epoch"]
    unowned: Annotated[dict[str, int], "unfinished sagas that none of them owns, by state"]
    complete: Annotated[bool, "whether all were counted, and not only the first 100,000"]


@dataclass(frozen=True, slots=True)
class ExportDocument:
    """What was written to a file (`export -o FILE`)."""

    file: Annotated[str, "where to"]
    ids: Annotated[list[str], "of the sagas"]


@dataclass(frozen=True, slots=True)
class ImportDocument:
    """What was brought into the store (`import`)."""

    sagas: Annotated[list[SummaryDocument], "as they are in the store now"]


@dataclass(frozen=True, slots=True)
class DecisionDocument:
    """What a person decided (`pause`, `abort`, `retry`, `skip`, ...)."""

    id: Annotated[str, "UUID of the saga"]
    verb: Annotated[str, "pause, unpause, abort, retry, skip, set_output or abandon"]
    node: Annotated[str | None, "path of the node that it is about"]
    request_id: Annotated[str, "UUID of the request; sent again, it is carried out once"]
    changed: Annotated[bool, "false: it was so already, or was done before"]
    state: Annotated[str, "of the saga afterwards"]


@dataclass(frozen=True, slots=True)
class HoldDocument:
    """Sagas that stand still by name, by label, or all (`pause --name`, ...)."""

    id: Annotated[str, "UUID; that of the request that placed it"]
    name: Annotated[str | None, "it is on sagas of this name"]
    labels: Annotated[dict[str, str], "and with all these labels"]
    everything: Annotated[bool, "whether it is on all sagas of the store"]
    by: Annotated[str, "who placed it"]
    reason: Annotated[str, "why"]
    since_ms: Annotated[Ms, "when"]


@dataclass(frozen=True, slots=True)
class HoldsDocument:
    """The holds that are in force (`holds`), or were lifted (`unpause --name`, ...)."""

    holds: Annotated[list[HoldDocument], "by id"]


@dataclass(frozen=True, slots=True)
class MatchingDocument:
    """How many sagas a decision about many would be about (`--dry-run`)."""

    verb: Annotated[str, "as in a decision"]
    count: Annotated[int, "how many sagas"]
    states: Annotated[dict[str, int], "how many by state"]


@dataclass(frozen=True, slots=True)
class BulkDocument:
    """A decision about many sagas, and how far it has come (`retry --stuck`, `bulk ID`, ...)."""

    id: Annotated[str, "UUID; `bulk ID` goes on with it"]
    verb: Annotated[str, "as in a decision"]
    node: Annotated[str | None, "path of the node that it is about"]
    states: Annotated[list[str], "sagas in one of these; none: all that have not ended"]
    name: Annotated[str | None, "of this name"]
    labels: Annotated[dict[str, str], "and with all these labels"]
    by: Annotated[str, "who decides"]
    reason: Annotated[str, "why"]
    began_ms: Annotated[Ms, "when"]
    done: Annotated[int, "sagas that it was carried out for"]
    no_op: Annotated[int, "for which there was nothing to do"]
    refused: Annotated[int, "that were in no state for it"]
    failed: Annotated[int, "that could not be asked, or have not answered"]
    reasons: Annotated[dict[str, int], "why they were refused or failed, counted"]
    finished: Annotated[bool, "whether it came to its end"]


@dataclass(frozen=True, slots=True)
class BulksDocument:
    """Decisions about many sagas: those that go on, and the last that ended (`bulk`)."""

    bulks: Annotated[list[BulkDocument], "by id"]


@dataclass(frozen=True, slots=True)
class PlannedCallDocument:
    """One call that a decision would lead to."""

    step: Annotated[int, "calls of one step can run at once; 0: it runs already"]
    node: Annotated[str, "path of the node"]
    label: Annotated[str, "for people, may be empty"]
    undo: Annotated[bool, "whether its undo would be called, not its action"]
    attempt: Annotated[int, "which attempt it would be"]
    not_before_ms: Annotated[Ms | None, "when a retry is due"]
    inputs: Annotated[
        dict[str, Any] | None, "by parameter, as far as they are known; null: looked up"
    ]
    awaited: Annotated[list[str], "the parameters that are not known before it runs"]
    output: Annotated[Any, "what the undo would be given of the node"]


@dataclass(frozen=True, slots=True)
class LeftDocument:
    """A node that nobody would have taken back."""

    node: Annotated[str, "path of the node"]
    label: Annotated[str, "for people, may be empty"]
    status: Annotated[str, "as in a node of a saga"]
    stuck: Annotated[str | None, "why it is stuck"]
    output: Annotated[Any, "what the action returned"]


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """What a decision would do (`abort --dry-run`, ...)."""

    id: Annotated[str, "UUID of the saga"]
    verb: Annotated[str, "as in a decision"]
    node: Annotated[str | None, "path of the node that it is about"]
    answer: Annotated[str, "allowed, no-op or refused"]
    why: Annotated[str, "the reason, unless it is allowed"]
    calls: Annotated[list[PlannedCallDocument], "what would run, in order, if all succeeds"]
    state: Annotated[str, "of the saga then"]
    left: Annotated[list[LeftDocument], "what would be left, if it were abandoned or stuck then"]


@dataclass(frozen=True, slots=True)
class GcDocument:
    """What was removed (`gc`), or would be."""

    dry_run: Annotated[bool, "whether nothing was removed"]
    count: Annotated[int, "how many sagas"]
    states: Annotated[dict[str, int], "how many by state"]


@dataclass(frozen=True, slots=True)
class DemoDocument:
    """The sagas of the demonstration (`demo`)."""

    store: Annotated[str, "URL of the store that they are in"]
    sagas: Annotated[list[SagaDocument], "in the order in which they ran"]
