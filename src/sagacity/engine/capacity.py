"""How much one coordinator takes on at once, checked at the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagacity.core.immutable import Immutable
from sagacity.core.limits import KeyedLimit, Limit, split_key
from sagacity.core.values import MAX_VALUE_BYTES, check_value_limit
from sagacity.engine.slots import kept_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sagacity.authoring import Saga

DEFAULT_MAX_SAGAS: Final = 1_000
DEFAULT_MAX_ACTIONS: Final = 1_200
"""Less what is kept for undoing, more than there are sagas: one at each never waits for a slot."""
DEFAULT_MAX_QUEUED: Final = 10_000
DEFAULT_MAX_VALUE_BYTES: Final = MAX_VALUE_BYTES


class Capacity(Immutable):
    """The limits of a coordinator."""

    max_sagas: int
    max_actions: int
    undo_slots: int
    max_queued: int
    limits: Mapping[str, KeyedLimit]
    """By the name of the saga."""
    max_value_bytes: int


def capacity_of(
    *,
    max_sagas: int,
    max_actions: int,
    undo_slots: int | None,
    max_queued: int,
    sagas: Iterable[Saga[Any, Any]],
    limits: Mapping[str, int | Limit] | None,
    max_value_bytes: int,
) -> Capacity:
    """Return the limits; those said to the coordinator stand before those of the sagas.

    Raises:
        ValueError: a limit is below 1, or leaves nothing for going forward.
    """
    for what, limit in (
        ("max_sagas", max_sagas), ("max_actions", max_actions), ("max_queued", max_queued),
    ):  # fmt: skip
        if limit < 1:
            raise ValueError(f"{what}={limit}: it must be at least 1")
    kept = kept_of(max_actions) if undo_slots is None else undo_slots
    if not 0 <= kept < max_actions:
        raise ValueError(f"undo_slots={kept}: it must be from 0 to below max_actions={max_actions}")
    found = {saga.name: saga.limit for saga in sagas if saga.limit is not None}
    for name, said in (limits or {}).items():
        known = found.get(name)
        if isinstance(said, Limit):
            found[name] = _keyed(said)
        elif known is None:
            found[name] = _keyed(Limit(said))
        else:  # another number, for the same key
            found[name] = KeyedLimit(Limit(said).at_once, known.path, known.text)
    return Capacity(
        max_sagas, max_actions, kept, max_queued, found, check_value_limit(max_value_bytes)
    )


def _keyed(limit: Limit) -> KeyedLimit:
    if limit.key is None:
        return KeyedLimit(limit.at_once)
    return KeyedLimit(limit.at_once, split_key(limit.key), limit.key)
