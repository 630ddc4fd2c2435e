"""Why a saga does not go on: each cause comes from one function of `CAUSES`.

A new reason to stand still is one more function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import StuckReason
from sagacity.core.circumstances import UNPARKED
from sagacity.core.decisions import Verb
from sagacity.core.events import Decided, ErrorKind
from sagacity.core.poison import is_suspect
from sagacity.core.why import Act, Cause, Doing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sagacity.core.circumstances import Known
    from sagacity.core.views import SagaView
    from sagacity.core.why import CurrentNode

MAX_NAMED: Final = 5
"""How many nodes or sagas a sentence names."""


def _ended(known: Known) -> Iterator[Cause]:
    state, view = known.state, known.view
    if state.finished is not None:
        reason, by = state.abandoned
        because = f" by {by}: {reason}" if by else ""
        yield Cause(
            Doing.ENDED, f"it has ended: {state.finished}{because}", since_ms=view.updated_ms, by=by
        )
    elif not state.started:
        yield Cause(Doing.READY, "it was not started", since_ms=view.created_ms)


def _paused(known: Known) -> Iterator[Cause]:
    state, stop = known.state, known.view.stopped_at
    if not state.paused or state.finished is not None:
        return
    if stop is not None:
        where = f" {stop.node}" if stop.node else ""
        text = f"it has come to its breakpoint: {stop.at.replace('_', ' ')}{where}"
        yield Cause(Doing.PAUSED, text, stop.node or "")
        return
    act = _pausing(acts_of(known.view))
    if act is not None:
        because = f": {act.reason}" if act.reason else ""
        how = f"hold {state.held_by} by" if state.held_by else "paused by"
        text = f"{how} {act.by}{because}"
        yield Cause(Doing.PAUSED, text, since_ms=act.time_ms, by=act.by)


def _pausing(acts: Sequence[Act]) -> Act | None:
    """Return what a saga has been paused by; a step pauses only one that was not."""
    pausing: Act | None = None
    for act in acts:
        if act.verb == Verb.PAUSE or (act.verb == Verb.STEP and pausing is None):
            pausing = act
        elif act.verb == Verb.UNPAUSE:
            pausing = None
    return pausing


def _stuck(known: Known) -> Iterator[Cause]:
    state = known.state
    for node in known.that(Doing.STUCK):
        reason = state.stuck_on[state.dag.find(node.path)]
        yield Cause(Doing.STUCK, f"{node.path} {STUCK[reason]}", node.path, node.since_ms)
    halted = known.that(Doing.HALTED)
    if halted:
        text = f"{_named(halted)}: nothing new begins while a node is stuck (on_stuck=halt)"
        yield Cause(Doing.HALTED, text)


STUCK: Final = {
    StuckReason.UNDO_FAILED: "cannot be undone: its undo has failed for good",
    StuckReason.OUTCOME_UNKNOWN: "has an unknown outcome, and its undo needs the output",
    StuckReason.FORWARD_FAILED: "failed behind the point of no return, and is not tried again",
    StuckReason.POISON: "is poison: coordinators died while it ran, the last three times alone",
    StuckReason.ASKS: 'may have had its effect, and has no undo (no_undo="ask")',
}


def _orphaned(known: Known) -> Iterator[Cause]:
    if not known.orphaned or (known.alive and _is_parked(known)):
        return
    view, since_ms = known.view, known.view.updated_ms
    around = (
        "no coordinator is alive on the store"
        if not known.alive
        else "no coordinator that is alive has taken it over"
    )
    if view.owner:
        text = f"its owner {view.owner} is gone, and {around}"
        yield Cause(Doing.ORPHANED, text, since_ms=since_ms)
    else:
        yield Cause(Doing.ORPHANED, f"nobody has taken it on: {around}", since_ms=since_ms)


def _is_parked(known: Known) -> bool:
    return bool(known.state.missing) and known.view.state not in UNPARKED


def _without_code(known: Known) -> Iterator[Cause]:
    state, view = known.state, known.view
    if not known.goes_on or not _is_parked(known):
        return
    told = "; ".join(state.missing)
    text = f"no code: {told}; a worker with the code takes it over"
    yield Cause(Doing.CODE, text, since_ms=view.updated_ms)


def _retries(known: Known) -> Iterator[Cause]:
    for node in known.that(Doing.RETRY):
        whose = f"the undo of {node.path}" if node.undo else node.path
        text = f"{whose} failed in attempt {node.attempt}, and is tried again"
        yield Cause(Doing.RETRY, text, node.path, node.since_ms, node.next_at_ms)


def _hung(known: Known) -> Iterator[Cause]:
    for node in known.that(Doing.HUNG):
        whose = f"the undo of {node.path}" if node.undo else node.path
        text = f"{whose} runs, and takes longer than is expected of it"
        yield Cause(Doing.HUNG, text, node.path, node.hung_at_ms)


def _crowded(known: Known) -> Iterator[Cause]:
    state = known.state
    place = known.that(Doing.PLACE)
    if place:
        what = known.view.waits_for or "a place in its coordinator, or a slot"
        text = f"{_named(place)}: waits for {what}"
        yield Cause(Doing.PLACE, text, place[0].path)
    waits = {node.path: node.waits_for for node in known.view.nodes if node.waits_for}
    by_action: dict[str, list[CurrentNode]] = {}
    for node in known.that(Doing.SLOT):
        if is_suspect(state, state.dag.find(node.path)):
            yield _suspected(known, node)
            continue
        by_action.setdefault(known.action_of(node), []).append(node)
    for action, nodes in by_action.items():
        holders = [each for each in known.rivals if each.action == action]
        told = "; ".join(
            f"saga {each.saga_id} ({each.saga_name}), node {each.node}"
            for each in holders[:MAX_NAMED]
        )
        more = f"; and {len(holders) - MAX_NAMED} more" if len(holders) > MAX_NAMED else ""
        held = f"; action {action} runs in {told}{more}" if told else ""
        lingers = any(
            retrying is not None and retrying.error.kind is ErrorKind.TIMED_OUT
            for retrying in (state.retrying.get(state.dag.find(node.path)) for node in nodes)
        )
        end = ", or for the attempt that timed out to end" if lingers else ""
        here = next((waits[node.path] for node in nodes if node.path in waits), "")
        text = f"{_named(nodes)}: waits for {here or f'a slot{end}'}{held}"
        yield Cause(Doing.SLOT, text, nodes[0].path)


def _suspected(known: Known, node: CurrentNode) -> Cause:
    deaths = known.state.deaths[known.state.dag.find(node.path)]
    text = (
        f"{node.path}: waits to be tried alone, because of {deaths} coordinators that died "
        "while it ran; such nodes have their turn one after the other"
    )
    for each in known.rivals:
        if each.suspected:
            text += f": now saga {each.saga_id} ({each.saga_name}), node {each.node}"
            break
    return Cause(Doing.SLOT, text, node.path)


CAUSES: Final[tuple[Callable[[Known], Iterator[Cause]], ...]] = (
    _ended,
    _paused,
    _stuck,
    _orphaned,
    _without_code,
    _hung,
    _retries,
    _crowded,
)
"""In the order in which they are told."""


def _named(nodes: Sequence[CurrentNode]) -> str:
    told = ", ".join(node.path for node in nodes[:MAX_NAMED])
    more = len(nodes) - MAX_NAMED
    return f"{told} and {more} more" if more > 0 else told


def acts_of(view: SagaView) -> tuple[Act, ...]:
    """Return what people have decided, in order."""
    paths = view.dag.paths
    return tuple(
        Act(
            logged.time_ms,
            event.verb,
            paths[event.node] if event.node >= 0 else "",
            event.by,
            event.reason,
        )
        for logged in view.log
        if isinstance(event := logged.event, Decided)
    )
