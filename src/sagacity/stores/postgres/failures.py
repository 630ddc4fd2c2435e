"""What each failure means, and what the store does about it; a table, for people to check.

Nothing of the driver gets past this file: who uses a store must not know its driver. The
texts hold what the server said, never the URL (which may hold a password) and never the
server's "detail" (which may hold what users store).
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreCorrupt, StoreError, StoreFull
from sagacity.stores.postgres.driver import (
    is_bad_address,
    is_bad_value,
    is_wrong_host,
    sqlstate_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer(StrEnum):
    """What the store does."""

    AGAIN = "nothing was stored; the same call is repeated at once"
    RECONNECT = "the connection is of no use; whether it was stored is found out on another one"
    FULL = "nothing was stored; raise StoreFull"
    CORRUPT = "raise StoreCorrupt"
    WAIT = "nothing was stored; raise StoreError: the server or its settings are to blame"
    REFUSE = "nothing was stored; raise StoreError: this one call is to blame"
    VALUE = "nothing was stored; raise ValueError: a value that cannot be stored"


ANSWERS: Final[Mapping[str, tuple[Answer, str]]] = MappingProxyType(
    {
        # Serialization failures and deadlocks: another transaction was in the way.
        "40001": (Answer.AGAIN, ""),
        "40P01": (Answer.AGAIN, ""),
        "55P03": (Answer.AGAIN, ""),
        # A definition was deleted with its last saga, just when a new one came.
        "23503": (Answer.AGAIN, ""),
        # The statement was completed, or it was not: the server did not say.
        "40003": (Answer.RECONNECT, ""),
        # The connection was lost, or the server closes it; class 08 is all of that kind.
        "08": (Answer.RECONNECT, "the connection to the server was lost"),
        "57P01": (Answer.RECONNECT, "the server or its administrator closed the connection"),
        "57P02": (Answer.RECONNECT, "the server has crashed and starts again"),
        "57P03": (Answer.RECONNECT, "the server starts, stops or recovers just now"),
        "57P05": (Answer.RECONNECT, "the server closed a connection that was idle"),
        "25P03": (Answer.RECONNECT, "the server closed a transaction that was idle"),
        # This one has become a replica, or is none yet: another one takes writes.
        "25006": (Answer.RECONNECT, "the server takes no writes: it is a replica"),
        # A pooler gave us a session that does not know our statement.
        "26000": (
            Answer.RECONNECT,
            "a pooler is in between, which needs pool=transaction in the store's URL",
        ),
        "42P05": (
            Answer.RECONNECT,
            "a pooler is in between, which needs pool=transaction in the store's URL",
        ),
        "53300": (
            Answer.WAIT,
            "the server has no connection to spare: raise max_connections, or run fewer processes",
        ),
        "53100": (Answer.FULL, ""),
        "53200": (Answer.WAIT, "the server has no memory to spare"),
        "53": (Answer.WAIT, "the server is short of something"),
        "57014": (Answer.WAIT, "the statement was cancelled, perhaps by statement_timeout"),
        "58": (Answer.RECONNECT, "the server's system failed; look at its log"),
        "XX001": (Answer.CORRUPT, "the database is damaged; look at the server's log"),
        "XX002": (Answer.CORRUPT, "an index is damaged; REINDEX makes it anew"),
        "28": (Answer.WAIT, "the server does not let us in: check user and password"),
        "3D000": (Answer.WAIT, "there is no such database"),
        "42501": (
            Answer.WAIT,
            "the role may not do this; docs/stores-postgres.md says what each role needs",
        ),
        "42P01": (
            Answer.WAIT,
            "a table is missing: was the schema deleted, or is this another database?",
        ),
        "3F000": (Answer.WAIT, "the schema is missing"),
        "22": (Answer.VALUE, ""),
    }
)
"""By SQLSTATE, or by its class, its first two characters."""

FOR_ALL: Final = frozenset({Answer.FULL, Answer.WAIT})
"""Any call would have failed, and not just this one."""


def answer_to(error: Exception) -> Answer:
    """Return what to do about an error of the driver."""
    return _look_up(error)[0]


def store_error(error: Exception, shown: str, *, unknown: bool = False) -> StoreError | ValueError:
    """Return the error to raise: what happened, where, and what to do next.

    `unknown`: it may have been stored all the same.
    """
    answer, advice = _look_up(error)
    text = f"{shown}: {advice or 'the server refused'} ({_said(error)})"
    if unknown:
        return StoreError(
            f"{text}; it is unknown whether this was stored: the same call finds it out"
        )
    match answer:
        case Answer.FULL:
            return StoreFull(
                f"{shown}: the server has no space left ({_said(error)}); nothing of this was "
                f"stored, and what was acknowledged is safe: make room, and it goes on"
            )
        case Answer.CORRUPT:
            return StoreCorrupt(text)
        case Answer.VALUE if is_bad_address(error):
            return StoreError(f"{shown}: the driver does not take this URL ({_said(error)})")
        case Answer.VALUE:
            return ValueError(f"cannot be stored: {_said(error)}")
        case _:
            return StoreError(text)


def _look_up(error: Exception) -> tuple[Answer, str]:
    code = sqlstate_of(error)
    if code:
        return ANSWERS.get(code) or ANSWERS.get(code[:2]) or (Answer.REFUSE, "")
    if is_bad_value(error):
        return Answer.VALUE, ""
    if is_wrong_host(error):
        return Answer.RECONNECT, "no server here takes writes: they are replicas"
    if isinstance(error, TimeoutError):
        return Answer.RECONNECT, "the server does not answer"
    return Answer.RECONNECT, "the server cannot be reached, or the connection was lost"


def _said(error: Exception) -> str:
    """Return what the server said, on one line, without its details."""
    code = sqlstate_of(error)
    text = " ".join(str(getattr(error, "message", None) or error).split()) or type(error).__name__
    return f"{text:.300}; SQLSTATE {code}" if code else f"{text:.300}"
