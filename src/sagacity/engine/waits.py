"""What a saga waits for that only its coordinator knows: places, slots, what lingers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.views import SagaView
    from sagacity.engine.driving import Driving
    from sagacity.engine.slots import Pass, Slots

MAX_TOLD = 3
"""How many of those are named that are waited for."""


def with_waits(view: SagaView, driving: Driving) -> SagaView:
    """Return the view with what the saga and its nodes wait for in this process."""
    execution = driving.running(view.id)
    if execution is not None:
        return _with_nodes(view, execution.waits_for())
    text = driving.places.waits_for(view.id)
    return replace(view, waits_for=text) if text else view


def _with_nodes(view: SagaView, waits: Mapping[str, str]) -> SagaView:
    if not waits:
        return view
    nodes = tuple(
        replace(node, waits_for=waits[node.path]) if node.path in waits else node
        for node in view.nodes
    )
    return replace(view, nodes=nodes)


def told(who: Pass, slots: Slots) -> str:
    """Return what an attempt that has no slot yet waits for."""
    gate = who.gate
    if gate is None or who.line is not gate.line:
        kept = f", {slots.kept} of them for undos" if slots.kept and not who.undoes else ""
        return f"a slot: as many attempts run as may (max_actions={slots.limit}{kept})"
    holders = list(dict.fromkeys(_saga_of(who) for who in gate.held))
    more = f" and {len(holders) - MAX_TOLD} more" if len(holders) > MAX_TOLD else ""
    whose = ", ".join(holders[:MAX_TOLD])
    each = f" for each {gate.about}" if gate.about else ""
    what = "undos" if who.undoes else "attempts"
    return f'{what} of action "{gate.key[0]}" (limit={gate.limit}{each}), of saga {whose}{more}'


def _saga_of(who: Pass) -> str:
    assert isinstance(who.group, int)  # of an attempt; see `Flight`
    return str(UUID(int=who.group))
