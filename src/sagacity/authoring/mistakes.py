"""Mistakes in a saga, collected so that all of them are told at once.

Each text stands for itself: it names the saga, and the node and parameter where
there are any, because `check` shows the mistakes of many sagas together.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagacity.errors import DagError, TraceError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


class UntraceableSagaError(DagError, TraceError):
    """A saga function used a reference as a value; `mistakes` has that and all others.

    Caught as either: it is a `TraceError`, told together with what else is wrong.
    """


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with a function, before it is known in which saga that shows."""

    text: str
    parameter: str = ""


class Mistakes:
    """The mistakes of one saga, in the order found, each once."""

    def __init__(self, saga_name: str) -> None:
        """Begin without any."""
        self.saga_name: Final = saga_name
        self._texts: dict[str, None] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._texts)

    def add(self, text: str, *, node: str = "", parameter: str = "") -> None:
        """Take a mistake down."""
        self._texts[self._told(text, node, parameter)] = None

    def _told(self, text: str, node: str, parameter: str) -> str:
        where = f'saga "{self.saga_name}"'
        if node:
            where += f', node "{node}"'
        if parameter:
            where += f', parameter "{parameter}"'
        return f"{where}: {text}"

    def add_flaws(self, flaws: Iterable[Flaw], *, node: str = "") -> None:
        """Take down what is wrong with a function of this saga."""
        for flaw in flaws:
            self.add(flaw.text, node=node, parameter=flaw.parameter)

    def retract_flaws(self, flaws: Iterable[Flaw], *, node: str) -> None:
        """Strike out flaws that turned out to do no harm where the node stands."""
        for flaw in flaws:
            self._texts.pop(self._told(flaw.text, node, flaw.parameter), None)

    def add_all_of(self, error: DagError) -> None:
        """Take down what core found; its texts name nodes and not the saga."""
        for text in error.mistakes:
            joint = ", " if text.startswith("node ") else ": "
            self._texts[f'saga "{self.saga_name}"{joint}{text}'] = None

    def error(self, kind: type[DagError] = DagError) -> DagError:
        """Return the one error that tells them all."""
        return kind(self.saga_name, list(self._texts))


_collected: ContextVar[list[DagError] | None] = ContextVar("sagacity_collected", default=None)


@contextmanager
def collecting_mistakes() -> Generator[list[DagError]]:
    """Let sagas with mistakes be declared: their errors go to the list instead of being raised.

    For looking through a whole module at once. Such a saga raises its error when
    its DAG is asked for.
    """
    found: list[DagError] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def report(error: DagError) -> bool:
    """Give `error` to whoever collects; False if nobody does, and it must be raised."""
    found = _collected.get()
    if found is None:
        return False
    found.append(error)
    return True
