"""The JSON documents of `why`: as `json_documents`, of which they are a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from sagacity.cli.json_documents import EventDocument, Ms, NodeErrorDocument


@dataclass(frozen=True, slots=True)
class CurrentNodeDocument:
    """A node that something is to be done about now."""

    path: Annotated[str, "of the node"]
    doing: Annotated[
        str,
        "running, hung, interrupted, waits for a retry, waits for a slot, waits for a place, "
        "waits for code, paused, halted, stuck, orphaned or ready",
    ]
    undo: Annotated[bool, "whether its undo is meant"]
    attempt: Annotated[int, "how often it was begun"]
    since_ms: Annotated[Ms | None, "when the last attempt began"]
    hung_at_ms: Annotated[Ms | None, "when that counts as hung; null if nothing is known"]
    next_at_ms: Annotated[Ms | None, "when the next attempt is due, while it waits for one"]
    deadline_ms: Annotated[Ms | None, "until when other attempts may begin"]


@dataclass(frozen=True, slots=True)
class CauseDocument:
    """One reason why a saga does not go on."""

    kind: Annotated[str, "the words of a current node, or ended"]
    text: Annotated[str, "for people"]
    node: Annotated[str | None, "path, if it is about one"]
    since_ms: Annotated[Ms | None, "since when, if that is known"]
    until_ms: Annotated[Ms | None, "until when, if that is known"]
    by: Annotated[str | None, "who, if it was a person"]


@dataclass(frozen=True, slots=True)
class OwnershipDocument:
    """Who had a saga."""

    owner: Annotated[str, "the coordinator"]
    epoch: Annotated[int, "its epoch"]
    since_ms: Annotated[Ms | None, "null if it has written nothing yet"]
    until_ms: Annotated[Ms | None, "null for the last one"]


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """What a node has done that is not undone."""

    node: Annotated[str, "its path"]
    output: Annotated[Any, "what its action returned; null if that is not known"]
    certain: Annotated[bool, "false: it may have had its effect"]


@dataclass(frozen=True, slots=True)
class ChoiceDocument:
    """What a person may decide."""

    verb: Annotated[str, "as in a decision"]
    node: Annotated[str | None, "path of the node that it would be about"]
    answer: Annotated[str, "allowed, no-op or refused"]
    text: Annotated[str, "what it would do, or why it does nothing or is refused"]


@dataclass(frozen=True, slots=True)
class ActDocument:
    """What a person has decided."""

    time_ms: Annotated[Ms, "when"]
    verb: Annotated[str, "as in a decision"]
    node: Annotated[str | None, "path of the node that it was about"]
    by: Annotated[str, "who"]
    reason: Annotated[str, "why"]


@dataclass(frozen=True, slots=True)
class WhyDocument:
    """A saga, explained (`why`)."""

    id: Annotated[str, "UUID"]
    name: Annotated[str, "of the saga"]
    version: Annotated[str, "of its definition"]
    labels: Annotated[dict[str, str], "given when it was created"]
    state: Annotated[str, "as in a saga"]
    direction: Annotated[str, "forward or unwinding"]
    created_ms: Annotated[Ms, "when it was created"]
    created_by: Annotated[str, "who asked for it, or the coordinator in whose process it was"]
    deadline_ms: Annotated[Ms | None, "when it is taken back if it goes forward still"]
    seen_ms: Annotated[Ms, "when all this was so"]
    moving: Annotated[bool, "whether an attempt runs that is not hung"]
    hung: Annotated[bool, "whether an attempt takes longer than is expected of it"]
    orphaned: Annotated[bool, "whether it has something to do, and nobody alive owns it"]
    last_event: Annotated[EventDocument | None, "of its log"]
    turned: Annotated[str | None, "why it unwinds; null while it goes forward"]
    nodes: Annotated[list[CurrentNodeDocument], "those that something is to be done about"]
    causes: Annotated[list[CauseDocument], "why it does not go on"]
    error: Annotated[NodeErrorDocument | None, "the last one of its log"]
    owner: Annotated[str, "the coordinator that drives it or did last, empty if none"]
    epoch: Annotated[int, "grows with each change of owner"]
    owned: Annotated[bool, "whether that coordinator is alive"]
    owners: Annotated[list[OwnershipDocument], "all there were, in order"]
    held: Annotated[list[HeldDocument], "what it has done and not undone"]
    choices: Annotated[list[ChoiceDocument], "what a person may decide, and what that would do"]
    acts: Annotated[list[ActDocument], "what people have decided"]
