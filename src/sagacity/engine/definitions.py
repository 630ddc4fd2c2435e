"""Stored definitions as DAGs: read once, shared by all sagas of their shape."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sagacity.core.definition import dag_of, definition_of, read_constants
from sagacity.errors import LogCorrupt, StoreCorrupt

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.definition import Definition
    from sagacity.ports.store import StoredSaga

_KEPT: Final = 256


@lru_cache(maxsize=_KEPT)
def definition_for(dag: Dag) -> Definition:
    """Return the definition of `dag`, made once while the DAG is in use (by identity)."""
    return definition_of(dag)


class Definitions:
    """Reads definitions, keeping those used last."""

    def __init__(self) -> None:
        """Begin empty."""
        self._dags: OrderedDict[str, Dag] = OrderedDict()

    def dag_of(self, stored: StoredSaga) -> Dag:
        """Return the DAG of a stored saga.

        Raises:
            StoreCorrupt: its definition is damaged; the text names the saga.
        """
        fingerprint = stored.head.fingerprint
        dag = self._dags.get(fingerprint)
        try:
            if dag is None:
                dag = dag_of(stored.document, stored.constants)
                self._dags[fingerprint] = dag
                if len(self._dags) > _KEPT:
                    self._dags.popitem(last=False)
                return dag
            self._dags.move_to_end(fingerprint)
            return dag.with_constants(read_constants(stored.constants)) if dag.dynamic else dag
        except LogCorrupt as error:
            raise StoreCorrupt(f"saga {stored.head.id}: {error}") from error
