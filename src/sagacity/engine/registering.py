"""What a coordinator is given to run: sagas, actions, or a registry of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from sagacity.authoring import DeclaredAction, Saga
from sagacity.core.actions import Action, ActionRegistry
from sagacity.engine.slips import check_runnables, no_runnable

if TYPE_CHECKING:
    from collections.abc import Iterable

Runnable: TypeAlias = Saga[Any, Any] | DeclaredAction[Any, Any] | Action


def registered(
    sagas: Iterable[Runnable] | ActionRegistry,
) -> tuple[ActionRegistry, dict[str, Saga[Any, Any]]]:
    """Return the actions of all that is given, and the sagas by name.

    Raises:
        DagError: two actions have one name.
        TypeError: not a list, or one of it is neither a saga nor an action.
    """
    if isinstance(sagas, ActionRegistry):
        return sagas, {}
    check_runnables(sagas)
    registry = ActionRegistry()
    by_name: dict[str, Saga[Any, Any]] = {}
    for each in sagas:
        if isinstance(each, Saga):
            by_name[each.name] = each
            for action in each.actions:
                registry.register(action)
        elif isinstance(each, DeclaredAction):
            registry.register(each.typed)
        elif hasattr(each, "do"):
            registry.register(each)
        else:
            raise no_runnable(each)
    return registry, by_name
