"""Every error that sagacity raises, and what a caller can do about it.

    SagacityError
    |-- DagError            the DAG has mistakes; `.mistakes` lists all of them
    |-- TraceError          a saga function did something that cannot be traced
    |-- ActionFailed        raised BY an action: definitely failed, no effect
    |-- UndoFailed          raised BY an undo: permanent, a person must decide
    |-- NoSuchInput         a look-up of what the node does not depend on
    |-- InputMismatch       a look-up as a type that the value does not fit
    |-- NoSuchSaga          no saga has this id
    |-- NoSuchNode          the saga has no node of this path
    |-- SagaExists          the id stands for another saga
    |-- SagaStateError      not in this state (start twice, inject after the end)
    |-- SagaEnded           the saga ended without a result; `.outcome` says how
    |   |-- SagaUnwound
    |   |-- SagaStuck
    |   `-- SagaAbandoned
    |-- CoordinatorClosed   this coordinator stops; the saga goes on with the next one
    |-- ValueNotStorable    not a value that the log may hold
    |-- LogCorrupt          a log, row or definition that cannot have been written by us
    |-- NotSteno            Steno's format cannot say this, or this is not Steno's format
    |-- RequestRefused      a participant must not carry this request out; `.status` for HTTP
    |   |-- RequestUnreadable  its keys are missing, or are not ours
    |   |-- RequestChanged     its key stands for another request
    |   `-- TokenStale         it comes from an owner that has been replaced
    `-- StoreError          the store could not do it
        |-- StoreBusy       another coordinator drives this store
        |-- StoreFull       no space; nothing was written, nothing acknowledged is lost
        |-- StoreCorrupt    the file or the rows are damaged
        |-- TransactionFailed  the database took back an action's transaction, or has none
        |-- PayloadUnreadable  written with a codec that is not here
        |-- SchemaVersionError  written by a newer (or unknown) schema
        `-- NotOwner        fenced: somebody else owns the saga now, or its log has moved on

This module imports nothing of the project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

__all__ = [
    "ActionFailed",
    "CoordinatorClosed",
    "DagError",
    "InputMismatch",
    "LogCorrupt",
    "NoSuchInput",
    "NoSuchNode",
    "NoSuchSaga",
    "NotOwner",
    "NotSteno",
    "PayloadUnreadable",
    "RequestChanged",
    "RequestRefused",
    "RequestUnreadable",
    "SagaAbandoned",
    "SagaEnded",
    "SagaExists",
    "SagaStateError",
    "SagaStuck",
    "SagaUnwound",
    "SagacityError",
    "SchemaVersionError",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "TokenStale",
    "TraceError",
    "TransactionFailed",
    "UndoFailed",
    "ValueNotStorable",
]


class SagacityError(Exception):
    """The root: catch this to catch everything that sagacity raises on purpose."""


class DagError(SagacityError):
    """A DAG has mistakes. All that could be found are in `mistakes`, in order."""

    def __init__(
        self, saga_name: str, mistakes: Sequence[str], *, says: str = "", remedy: str = ""
    ) -> None:
        """`says` stands for "has 2 mistakes" where the saga itself has none."""
        self.saga_name: Final = saga_name
        self.mistakes: Final = tuple(mistakes)
        listed = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        after = f"\n{remedy}" if remedy else ""
        super().__init__(f'saga "{saga_name}" {says or f"has {count}"}:\n{listed}{after}')


class TraceError(SagacityError):
    """A saga function used a reference as if it were the value that will only exist at run time."""


class ActionFailed(SagacityError):
    """Raise this in an action: it definitely failed and definitely left no effect.

    It is retried if the action's policy says so, and not if it is `final`. Then the
    saga unwinds and this node is not undone. `data` is stored with the error and must
    be JSON-able.
    """

    def __init__(self, message: str, data: Any = None, *, final: bool = False) -> None:
        self.message: Final = message
        self.data: Final = data
        self.final: Final = final
        super().__init__(message)


class UndoFailed(SagacityError):
    """Raise this in an undo: it cannot succeed, however often it is tried.

    The saga becomes stuck and a person must decide. `data` is stored with the
    error and must be JSON-able.
    """

    def __init__(self, message: str, data: Any = None) -> None:
        self.message: Final = message
        self.data: Final = data
        super().__init__(message)


class NoSuchInput(SagacityError, LookupError):
    """`ctx.lookup` of a name that the node does not depend on, or that has no output."""


class InputMismatch(SagacityError, ValueError):
    """`ctx.lookup` or `ctx.params` as a type that the stored value does not fit."""


class NoSuchSaga(SagacityError):
    """The store knows no saga of this id."""

    def __init__(self, saga_id: UUID | str) -> None:
        self.saga_id: Final = saga_id
        super().__init__(f"no such saga: {saga_id}")


class NoSuchNode(SagacityError):
    """The saga has no node of this path."""

    def __init__(self, saga_name: str, node: str, known: Sequence[str] = ()) -> None:
        self.saga_name: Final = saga_name
        self.node: Final = node
        hint = f"; its nodes are {', '.join(known)}" if known else ""
        super().__init__(f'saga "{saga_name}" has no node "{node}"{hint}')


class SagaExists(SagacityError):
    """The id is in use by a saga of another name or with other params."""

    def __init__(self, saga_id: UUID, reason: str) -> None:
        self.saga_id: Final = saga_id
        super().__init__(f"saga {saga_id} already exists: {reason}")


class SagaStateError(SagacityError):
    """The saga is not in a state that allows this call; nothing was changed."""

    def __init__(self, saga_id: UUID, state: str, wanted: str, why: str = "") -> None:
        self.saga_id: Final = saga_id
        self.state: Final = state
        self.why: Final = why or f"it is {state}"
        super().__init__(f"cannot {wanted} saga {saga_id}: {self.why}")


class SagaEnded(SagacityError):
    """The saga will not give a result. `outcome` says how it ended, with all errors."""

    def __init__(self, saga_id: UUID, outcome: Any, message: str) -> None:
        self.saga_id: Final = saga_id
        self.outcome: Final = outcome
        super().__init__(message)


class SagaUnwound(SagaEnded):
    """It failed, and everything it had done was taken back. `outcome` is an `Unwound`."""


class SagaStuck(SagaEnded):
    """A person must decide. `outcome` is a `Stuck` with its reason."""


class SagaAbandoned(SagaEnded):
    """A person ended it. `outcome` is an `Abandoned`."""


class CoordinatorClosed(SagacityError):
    """This coordinator is closing. Sagas go on when the next one opens the store."""


class ValueNotStorable(SagacityError):
    """Not a value that the saga log may hold; `where` is the path to the offending part."""

    def __init__(self, reason: str, where: str = "") -> None:
        self.reason: Final = reason
        self.where: Final = where
        super().__init__(f"{reason} (at {where})" if where else reason)


class LogCorrupt(SagacityError):
    """A stored record or definition that this engine cannot have written."""


class NotSteno(SagacityError):
    """Not Steno's format, or something that Steno's format cannot say."""


class RequestRefused(SagacityError):
    """A participant must not carry this request out: end its transaction without a commit.

    `status` is the HTTP status to answer with. None of them is a definite no to the saga:
    an earlier request with the same key may have had its effect.
    """

    status: ClassVar[int] = 400


class RequestUnreadable(RequestRefused):
    """A header that the participant needs is missing, or is not what a saga sends."""

    def __init__(self, header: str, problem: str) -> None:
        self.header: Final = header
        super().__init__(f"{header}: {problem}")


class RequestChanged(RequestRefused):
    """The key was seen before, with another request; what that one came to stands."""

    status = 422

    def __init__(self, effect: str) -> None:
        self.effect: Final = effect
        super().__init__(f"{effect}: this key was used for a request with other content")


class TokenStale(RequestRefused):
    """The saga has another owner now, which the participant has heard of."""

    status = 412

    def __init__(self, saga: str, token: int, highest: int) -> None:
        self.saga: Final = saga
        self.token: Final = token
        self.highest: Final = highest
        super().__init__(
            f"saga {saga}: fencing token {token} is lower than {highest}, which was seen before"
        )


class StoreError(SagacityError):
    """The store could not do it; what it acknowledged before stands."""


class StoreBusy(StoreError):
    """Another coordinator drives this store. Wait for it (`wait=True`) or be a client."""


class StoreFull(StoreError):
    """No space left. Nothing of this write was stored; make room and it goes on."""


class StoreCorrupt(StoreError):
    """The file or one of its rows is damaged; the text names which."""


class TransactionFailed(StoreError):
    """A transaction of an action was not committed: nothing of it is there."""


class PayloadUnreadable(StoreError):
    """Written with a codec that was not given, or that cannot decode it; nothing was changed."""

    def __init__(self, codec: str, message: str) -> None:
        self.codec: Final = codec
        super().__init__(message)


class SchemaVersionError(StoreError):
    """The store was written by a schema that this build does not know."""


class NotOwner(StoreError):
    """Fenced: the epoch or the sequence that the caller holds is no longer the saga's."""
