"""Which trace `.node(...)` goes to: that of the saga function that runs now, if any."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sagacity.authoring.mistakes import UntraceableSagaError
from sagacity.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sagacity.authoring.tracing import Trace

_current: ContextVar[Trace | None] = ContextVar("sagacity_trace", default=None)


def current_trace(name: str, remedy: str) -> Trace:
    """Return the trace of the saga function that runs now.

    Raises:
        TraceError: none does.
    """
    trace = _current.get()
    if trace is None:
        raise TraceError(f"{name}.node(...) was called outside of a saga function; {remedy}")
    return trace


def record(
    trace: Trace,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    named: Mapping[str, Any],
) -> Any:
    """Run a saga function, its nodes going to `trace`; return what it returned.

    Raises:
        DagError: it raised an exception; told with the mistakes found before, and chained.
    """
    token = _current.set(trace)
    try:
        return function(*arguments, **named)
    except TraceError as error:
        raise trace.broken_by(str(error), UntraceableSagaError) from error
    except Exception as error:
        raise trace.broken_by(f"its function raised {type(error).__name__}: {error}") from error
    finally:
        _current.reset(token)
