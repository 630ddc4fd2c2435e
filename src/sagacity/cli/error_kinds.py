"""The words by which scripts tell errors apart: what `--json` prints as `kind`.

A word stays when a class is renamed, split or comes from a newer library; classes of
click, above all, are nobody's promise. The documentation is made from this table.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import click

from sagacity import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_KINDS: Final[Mapping[type[BaseException], tuple[str, str]]] = MappingProxyType(
    {
        click.UsageError: ("usage", "the command line is not one that the command takes"),
        click.ClickException: (
            "refused",
            "what the command line names is not there or does not fit: a module, params, a file",
        ),
        errors.NoSuchSaga: ("no_such_saga", "no saga has this id"),
        errors.NoSuchNode: ("no_such_node", "the saga has no node of this path"),
        errors.SagaExists: ("saga_exists", "the id stands for another saga"),
        errors.SagaStateError: ("saga_state", "not possible in the state that the saga is in"),
        errors.DagError: ("dag", "a saga has mistakes"),
        errors.TraceError: ("trace", "a saga function did what cannot be traced"),
        errors.ValueNotStorable: ("value_not_storable", "not a value that a log may hold"),
        errors.LogCorrupt: ("log_corrupt", "a log or a definition is damaged"),
        errors.NotSteno: ("not_steno", "Steno's format cannot say this, or this is not it"),
        errors.CoordinatorClosed: ("coordinator_closed", "the coordinator stops"),
        errors.StoreBusy: ("store_busy", "another coordinator drives the store"),
        errors.StoreFull: ("store_full", "no space is left"),
        errors.TransactionFailed: (
            "transaction_failed",
            "the database took back an action's transaction",
        ),
        errors.StoreCorrupt: ("store_corrupt", "the file of the store, or a row, is damaged"),
        errors.PayloadUnreadable: ("payload_unreadable", "written with a codec that is not here"),
        errors.SchemaVersionError: ("schema_version", "written by a newer schema"),
        errors.NotOwner: ("not_owner", "somebody else owns the saga now"),
        errors.StoreError: ("store", "the store could not do it"),
        errors.SagacityError: ("other", "any other error that sagacity raises on purpose"),
        OSError: ("system", "the operating system refused: a file, a socket"),
        BaseException: ("bug", "a mistake in sagacity, or in code of yours that it called"),
    }
)
"""The word and its meaning, for a class and all below it that are not listed themselves."""


def kind_of(error: BaseException) -> str:
    """Return the word for an error: that of its nearest class."""
    return next(ERROR_KINDS[each][0] for each in type(error).__mro__ if each in ERROR_KINDS)
