"""Nobody drives the store: how a saga then looks, and what to type so that it goes on.

A log cannot tell: a saga whose coordinator was killed says `running` until the next one
takes it over. Only the store knows whether there is one. It is asked before the saga is
read: a saga that ended together with its coordinator must not look left alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sagacity.cli.ending import command_line
from sagacity.cli.text import safe
from sagacity.core.agenda import StuckReason
from sagacity.core.folding import fold_log
from sagacity.core.values import encode
from sagacity.ports.store import DRIVEN, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sagacity.core.views import SagaSummary, SagaView

MOST_SHOWN: Final = 3
"""How many nodes are told what may be done about."""
_VERBS: Final = {
    StuckReason.UNDO_FAILED: ("retry", "skip"),
    StuckReason.OUTCOME_UNKNOWN: ("retry", "set-output", "skip"),
    StuckReason.ASKS: ("skip",),
    StuckReason.FORWARD_FAILED: ("retry", "set-output"),
    StuckReason.POISON: ("retry", "skip"),
}
_MODULE: Final = "MODULE"
"""What stands in a command for the module of a saga, which no store knows."""


def lines_for_saga(view: SagaView, store: str) -> list[str]:
    """Say of a saga that nobody drives how it goes on; nothing if there is nothing to drive."""
    if view.state not in DRIVEN or view.state == SagaStatus.PAUSED:
        return []
    target = f"{_MODULE}:{view.name}"
    command = command_line("run", target, "--store", store, "--id", str(view.id))
    return [
        f"no coordinator drives it; go on with ({_MODULE}: where its code is):",
        f"  {safe(command)}",
    ]


def what_to_decide(view: SagaView, store: str) -> list[str]:
    """Say what a person may do about a saga that waits for one."""
    more = ("--store", store)
    if view.state == SagaStatus.PAUSED:
        one = f"  {_typed('unpause', str(view.id), *more)}"
        held_by = fold_log(view.dag, encode(view.params), view.log).held_by
        if held_by:
            all_of_it = f"  {_typed('unpause', '--hold', held_by, *more)}"
            return [
                "it is held, with others; let it go on alone, or lift the hold:", one, all_of_it,
            ]  # fmt: skip
        stop = view.stopped_at
        where = "" if stop is None else f" at a breakpoint: {stop.at} {safe(stop.node or '')}"
        return [f"it is paused{where.rstrip()}; go on with:", one]
    if view.state != SagaStatus.STUCK:
        return []
    lines = ["it is stuck until a person decides:"]
    stuck_on = fold_log(view.dag, encode(view.params), view.log).stuck_on
    for node, reason in list(stuck_on.items())[:MOST_SHOWN]:
        path = view.dag.paths[node]
        lines += [f"  {_typed(verb, str(view.id), path, *more)}" for verb in _VERBS[reason]]
    return [*lines, f"  {_typed('abandon', str(view.id), *more)}"]


def _typed(*words: str) -> str:
    command = safe(command_line(*words))
    return f"{command} --output JSON" if words[0] == "set-output" else command


def lines_for_list(sagas: Iterable[SagaSummary], store: str) -> list[str]:
    """Say the same of the sagas of a list, if there is one to drive."""
    if not any(each.state in DRIVEN for each in sagas):
        return []
    command = command_line("worker", _MODULE, "--store", store)
    return [
        f"no coordinator drives this store; go on with ({_MODULE}: where the code is):",
        f"  {safe(command)}",
    ]


def at_rest(view: SagaView) -> SagaView:
    """Return a saga that nobody drives as it really is: what was in flight is not any more."""
    return replace(view, nodes=tuple(replace(node, running=False) for node in view.nodes))
