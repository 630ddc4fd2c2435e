"""What a coordinator is given to run: sagas, actions, or a registry of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from sagacity.authoring import DeclaredAction, Saga
from sagacity.core.actions import Action, ActionRegistry

if TYPE_CHECKING:
    from collections.abc import Iterable

Runnable: TypeAlias = Saga[Any, Any] | DeclaredAction[Any, Any] | Action


def registered(
    sagas: Iterable[Runnable] | ActionRegistry,
) -> tuple[ActionRegistry, dict[str, Saga[Any, Any]]]:
    """Return the actions of all that is given, and the sagas by name.

    Raises:
        DagError: two actions have one name.
    """
    if isinstance(sagas, ActionRegistry):
        return sagas, {}
    registry = ActionRegistry()
    by_name: dict[str, Saga[Any, Any]] = {}
    for each in sagas:
        if isinstance(each, Saga):
            by_name[each.name] = each
            for action in each.actions:
                registry.register(action)
        else:
            registry.register(each.typed if isinstance(each, DeclaredAction) else each)
    return registry, by_name
