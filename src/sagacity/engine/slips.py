"""What callers give by mistake, told where they gave it and with what was meant.

Without this the same mistakes show deep inside, as attributes that a value does not have.
No text repeats a value that may hold a password, as the URL of a store does.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sagacity.authoring import DeclaredAction, Saga
from sagacity.core.dag import Dag

_ONE: Final[tuple[Any, ...]] = (Saga, DeclaredAction, Dag, str)


def check_store(store: object) -> None:
    """Check that `store` is one and not, say, its URL.

    Raises:
        TypeError: it is none.
    """
    if not hasattr(store, "wait_for_change"):
        raise TypeError(
            f"the first argument must be a store, not a {type(store).__name__}: "
            'open_store("sqlite:///sagas.db") gives one'
        )


def check_id(saga_id: object) -> UUID:
    """Return `saga_id`.

    Raises:
        TypeError: it is no id of a saga.
    """
    if isinstance(saga_id, UUID):
        return saga_id
    raise TypeError(
        f"the id of a saga is a uuid.UUID, not {saga_id!r:.60}: UUID(text) reads one that is "
        "written out, and saga_id_of(key) makes one from any text"
    )


def check_runnables(given: object) -> None:
    """Check that `given` is many, not one of what there should be a list of.

    Raises:
        TypeError: it is not.
    """
    if isinstance(given, _ONE) or not hasattr(given, "__iter__"):
        raise TypeError(
            f"the second argument must be a list of sagas and actions or an ActionRegistry, "
            f"not {_shown(given)}: Sec(store, [{_called(given, 'book_trip')}])"
        )


def no_runnable(given: object) -> TypeError:
    """Return the error of one of many that is neither a saga nor an action."""
    if isinstance(given, Dag):
        hint = "a Dag does not know the code of its actions; register that in an ActionRegistry"
    else:
        hint = "give functions declared with @saga or @action, or an ActionFunc"
    return TypeError(f"{_shown(given)} is no saga and no action: {hint}")


def _called(given: object, otherwise: str) -> str:
    if isinstance(given, Saga):
        return str(getattr(given.__wrapped__, "__name__", otherwise))
    return given.name if isinstance(given, DeclaredAction) else otherwise


def _shown(given: object) -> str:
    return f'the action "{given.name}"' if isinstance(given, DeclaredAction) else f"{given!r:.80}"
