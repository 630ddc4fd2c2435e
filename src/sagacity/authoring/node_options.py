"""What `.options(...)` says of a node, whether of an action or of a saga."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from sagacity.authoring.references import Reference, facts_of
from sagacity.core.policies import Retry, check_timeout
from sagacity.errors import TraceError

_Method = TypeVar("_Method", bound=Callable[..., Any])

OPTIONS: Final = {
    "node": 'node="..." (the node\'s name)',
    "after": "after=[...]",
    "label": 'label="..."',
    "retry": "retry=Retry(...)",
    "timeout": "timeout=seconds",
}


@dataclass(frozen=True, slots=True, eq=False)
class NodeOptions:
    """What `.options(...)` says of a node; None: as the action says."""

    node: str | None = None
    after: tuple[object, ...] = ()
    label: str | None = None
    retry: Retry | None = None
    timeout: float | None = None


def node_options(
    node: str | None,
    after: Iterable[object],
    label: str | None = None,
    *,
    retry: Retry | None = None,
    timeout: float | None = None,
) -> NodeOptions:
    """Return what `.options(...)` was given.

    Raises:
        TraceError: `after` is no list, or a policy is none that can be stored.
    """
    try:
        check_timeout("timeout", timeout)
        if retry is not None:
            retry.to_document()
    except ValueError as error:
        raise TraceError(f".options(...): {error}") from error
    except AttributeError:
        raise TraceError(f".options(retry={retry!r:.40}): it must be a Retry(...)") from None
    if isinstance(after, Reference):
        text = facts_of(after).text
        raise TraceError(f"after= takes a list of references: after=[{text}]")
    if isinstance(after, str) or not hasattr(after, "__iter__"):
        raise TraceError(f"after= takes a list of references to nodes, not {after!r:.60}")
    return NodeOptions(node, tuple(after), label, retry, timeout)


def telling_options(method: _Method) -> _Method:
    """Let `.options(...)` answer what it does not take with what it does take.

    Not by `**unknown` in its signature: type checkers would then take anything.
    """
    known = list(inspect.signature(method).parameters)[1:]

    @functools.wraps(method)
    def checked(declared: Any, *args: object, **options: Any) -> Any:
        unknown = [f"{each!r:.40}" for each in args]
        unknown += [f"{each}=..." for each in options if each not in known]
        if unknown:
            raise TraceError(
                f"{declared.name}.options({', '.join(unknown)}): "
                f"the options are {', '.join(OPTIONS[each] for each in known)}"
            )
        return method(declared, **options)

    return cast("_Method", checked)
