"""`why`: the seven questions of who is on call, answered on one screen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import click

from sagacity.cli.documenting import why_document
from sagacity.cli.ending import command_line
from sagacity.cli.lines import event_text
from sagacity.cli.options import json_option, store_option, verbose_option
from sagacity.cli.output import emit
from sagacity.cli.stores import find_saga, reading
from sagacity.cli.text import ago, cut, duration, moment, safe, safe_lines, shown_value
from sagacity.cli.words import state_words
from sagacity.core.agenda import Direction
from sagacity.core.decisions import Answer, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sagacity.core.why import Cause, Choice, CurrentNode, Why

MOST: Final = 5
"""How many of anything are told, unless all are asked for."""
TRACE_LINES: Final = 6
VALUE_CHARS: Final = 100
MESSAGE_CHARS: Final = 1_000


@click.command()
@click.argument("saga_id", metavar="ID")
@store_option
@verbose_option
@json_option
def why(*, saga_id: str, store: str, verbose: bool, as_json: bool) -> None:
    """Say why a saga does not go on, and what to do.

    What it is, whether it moves, why not, who has it, what it has done that is not
    undone, what you may do and what each would do, and what others did.
    ID is a UUID, or the beginning of one.
    """
    found = asyncio.run(_find(store, saga_id))
    if as_json:
        emit(why_document(found))
        return
    from sagacity.cli.terminal import Screen  # noqa: PLC0415 - rich takes long to import

    Screen().print(why_lines(found, store, verbose=verbose))


async def _find(store: str, text: str) -> Why:
    async with reading(store) as client:
        return await client.why(await find_saga(client, text))


def why_lines(why: Why, store: str, *, verbose: bool = False) -> list[str]:
    """Return the answers as lines, a heading and what belongs to it."""
    most = 1_000_000 if verbose else MOST
    lines: list[str] = []
    for heading, told in (
        ("What it is", _what(why)),
        ("Is it moving?", _moving(why, most)),
        ("Why not?", _causes(why, most, verbose=verbose)),
        ("Who has it?", _owners(why, most)),
        ("What has it done that is not undone?", _held(why, most)),
        ("What may you do, and what would it do?", _choices(why, store, most)),
        ("What did others do?", _acts(why, most)),
    ):
        lines += [heading, *(f"  {line}" for line in told)]
    return lines


def _what(why: Why) -> Iterator[str]:
    words = state_words(why.state, why.direction, hung=why.hung, orphaned=why.orphaned)
    yield f"{safe(why.name)}, version {safe(why.version)}: {words}"
    yield f"saga {why.id}"
    by = f" by {safe(why.created_by)}" if why.created_by else ""
    yield f"created {_when(why, why.created_ms)}{by}"
    if why.labels:
        yield " ".join(f"{safe(key)}={safe(value)}" for key, value in sorted(why.labels.items()))


def _moving(why: Why, most: int) -> Iterator[str]:
    event = why.last_event
    if event is not None:
        told = "yes" if why.moving else "no"
        last = cut(event_text(event), VALUE_CHARS)
        yield f"{told}; the last event was {_when(why, event.time_ms)}: {last}"
    if why.deadline_ms is not None and why.direction == Direction.FORWARD:
        yield f"it is taken back if it goes forward still: {_when(why, why.deadline_ms)}"
    if why.turned:
        verb = "unwound" if why.state == "unwound" else "unwinds"
        yield f"it {verb}: {cut(safe(why.turned), MESSAGE_CHARS)}"
    yield from _shortened([_node(why, node) for node in why.nodes], most)


def _node(why: Why, node: CurrentNode) -> str:
    whose = f"undo of {safe(node.path)}" if node.undo else safe(node.path)
    parts = [f"{whose}: {node.doing.value}"]
    if node.attempt:
        parts.append(f"attempt {node.attempt}")
    if node.since_ms is not None:
        parts.append(f"begun {_when(why, node.since_ms)}")
    if node.hung_at_ms is not None and node.since_ms is not None:
        parts.append(f"expected to take at most {duration(node.hung_at_ms - node.since_ms)}")
    if node.next_at_ms:
        parts.append(f"next attempt {_due(why, node.next_at_ms)}")
    if node.deadline_ms is not None:
        parts.append(f"no attempt after {moment(node.deadline_ms)}")
    return ", ".join(parts)


def _causes(why: Why, most: int, *, verbose: bool) -> Iterator[str]:
    if not why.causes:
        yield "nothing is known that would hold it"
    yield from _shortened([_cause(why, cause) for cause in why.causes], most)
    error = why.error
    if error is not None:
        whose = "the undo of " if error.undo else ""
        message = cut(safe(error.message or "(no message)"), MESSAGE_CHARS)
        yield f"last error, of {whose}{safe(error.node)}: {message}"
        about = ", ".join(filter(None, [error.kind.value.replace("_", " "), error.class_name]))
        yield f"  {safe(about)}"
        trace = safe_lines(error.traceback.rstrip()) if error.traceback else []
        yield from (f"  {line}" for line in (trace if verbose else trace[-TRACE_LINES:]))


def _cause(why: Why, cause: Cause) -> str:
    since = "" if cause.since_ms is None else f", since {_when(why, cause.since_ms)}"
    until = "" if not cause.until_ms else f", {_due(why, cause.until_ms)}"
    return cut(safe(cause.text), MESSAGE_CHARS) + since + until


def _owners(why: Why, most: int) -> Iterator[str]:
    if not why.owner:
        yield "nobody has had it"
        return
    alive = "alive" if why.owned else "not alive"
    yield f"{safe(why.owner)}, epoch {why.epoch}: {alive}"
    earlier = [
        f"before: {safe(each.owner)}, epoch {each.epoch}, "
        f"{'' if each.since_ms is None else moment(each.since_ms)}"
        f" to {'' if each.until_ms is None else moment(each.until_ms)}"
        for each in reversed(why.owners[:-1])
    ]
    yield from _shortened(earlier, most)


def _held(why: Why, most: int) -> Iterator[str]:
    if not why.held:
        yield "nothing"
    yield from _shortened(
        [
            f"{safe(each.node)}  {shown_value(each.output, VALUE_CHARS)}"
            if each.certain
            else f"{safe(each.node)}  (perhaps)"
            + ("" if each.output is None else f"  {shown_value(each.output, VALUE_CHARS)}")
            for each in why.held
        ],
        most,
    )


def _choices(why: Why, store: str, most: int) -> Iterator[str]:
    allowed = [each for each in why.choices if each.answer is Answer.ALLOWED]
    for verb in dict.fromkeys(
        each.verb for each in allowed
    ):  # of wide sagas the nodes are left out first, never a verb
        told = [f"{_named(each)}: {safe(each.text)}" for each in allowed if each.verb is verb]
        yield from _shortened(told, most)
    if allowed:
        command = command_line("VERB", str(why.id), "NODE", "--store", store, "--reason", "TEXT")
        yield f"as: {safe(command)}"
    else:
        yield "nothing"
    if why.orphaned:
        yield f"to let it go on: {safe(command_line('worker', 'MODULE', '--store', store))}"


def _named(choice: Choice) -> str:
    output = " --output JSON" if choice.verb is Verb.SET_OUTPUT else ""
    return f"{choice.verb.value.replace('_', '-')} {safe(choice.node)}".rstrip() + output


def _acts(why: Why, most: int) -> Iterator[str]:
    if not why.acts:
        yield "nothing"
    lines = [
        f"{moment(act.time_ms)}  {act.verb.replace('_', ' ')}"
        f"{f' {safe(act.node)}' if act.node else ''}, by {safe(act.by)}"
        f"{f': {safe(act.reason)}' if act.reason else ''}"
        for act in reversed(why.acts)
    ]
    yield from _shortened(lines, most)


def _shortened(lines: Sequence[str], most: int) -> Iterable[str]:
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"and {len(lines) - most:,} more (--verbose)"]


def _when(why: Why, time_ms: int) -> str:
    return f"{moment(time_ms)} ({ago(why.seen_ms - time_ms)})"


def _due(why: Why, time_ms: int) -> str:
    left_ms = time_ms - why.seen_ms
    return f"due in {duration(left_ms)}" if left_ms > 0 else "due now"
