"""Policies of attempts: how often, and how long after each other. Pure arithmetic.

What is retried is an attempt that failed or whose outcome is unknown. Attempts that a
crash or a shutdown interrupted cost nothing of the budget.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

MAX_SECONDS: Final = 10 * 365 * 86_400.0
"""Ten years: what is longer is a mistake, and would not fit into a timer."""

RetriedErrors: TypeAlias = (
    type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]
)
GoneCheck: TypeAlias = Callable[[Any], "Awaitable[bool] | bool"]


@dataclass(frozen=True, slots=True)
class Retry:
    """How an action (or an undo) is retried.

    At most `attempts` in all, or without end with `forever=True`. The first retry comes
    `backoff` seconds after the failure, each further one `factor` times later, at most
    `max_delay` seconds; each delay is made up to `jitter` (a fraction) longer or shorter
    by chance, so that sagas that failed together do not come back together. With a
    `deadline` no attempt begins later than so many seconds after the first one.

    `on` says which exceptions are retried: a class, a tuple of classes, or a function
    that is given the exception; all, unless it is said. What an author calls final
    (`ActionFailed(..., final=True)`, `UndoFailed`) is never retried.

    `gone(ctx)` is asked before each retry whether the target has ceased to exist. If it
    has, nothing is retried: a do fails, an undo is finished.
    """

    attempts: int = 3
    forever: bool = False
    backoff: float = 1.0
    factor: float = 2.0
    jitter: float = 0.1
    max_delay: float = 60.0
    deadline: float | None = None
    on: RetriedErrors | None = None
    gone: GoneCheck | None = None

    def __post_init__(self) -> None:
        """Check that it makes sense.

        Raises:
            ValueError: names the member and what it may be.
        """
        if type(self.attempts) is not int or self.attempts < 1:
            raise ValueError(f"Retry(attempts={self.attempts!r}): it is a whole number from 1")
        _check_seconds("backoff", self.backoff)
        _check_seconds("max_delay", self.max_delay)
        if self.deadline is not None:
            _check_seconds("deadline", self.deadline)
        if not 1.0 <= self.factor <= 1_000.0:  # noqa: PLR2004
            raise ValueError(f"Retry(factor={self.factor!r}): it is within 1 .. 1,000")
        if not 0.0 <= self.jitter <= 1.0:
            raise ValueError(f"Retry(jitter={self.jitter!r}): it is a fraction within 0 .. 1")

    def allows(self, failed: int) -> bool:
        """Whether one more attempt may follow after `failed` of them."""
        return self.forever or failed < self.attempts

    def takes(self, error: BaseException) -> bool:
        """Whether `error` is of a kind that is retried.

        Raises whatever `on` raises, if it is a function.
        """
        if self.on is None:
            return True
        on: Any = self.on
        names = getattr(error, "class_names", None)  # of one that was raised in another process
        if names is not None and isinstance(on, tuple | type):
            classes = cast("tuple[type, ...]", on if isinstance(on, tuple) else (on,))
            return any(f"{each.__module__}.{each.__qualname__}" in names for each in classes)
        return isinstance(error, on) if isinstance(on, tuple | type) else bool(on(error))

    def delay_ms(self, failed: int, chance: float) -> int:
        """Return how long to wait after the `failed`-th failure; `chance` is within 0 .. 1."""
        # Beyond this exponent every delay is at its most, and the power would overflow.
        exponent = min(failed - 1, 1_000)
        try:
            seconds = min(self.backoff * self.factor**exponent, self.max_delay)
        except OverflowError:
            seconds = self.max_delay
        seconds *= 1.0 + self.jitter * (2.0 * chance - 1.0)
        return math.ceil(seconds * 1_000)

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON, for a node of a stored definition.

        Raises:
            ValueError: it has functions or classes, which cannot be stored.
        """
        if self.on is not None or self.gone is not None:
            raise ValueError("on= and gone= cannot be stored with a node: set them on the action")
        names = ("attempts", "forever", "backoff", "factor", "jitter", "max_delay", "deadline")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_document(cls, document: object) -> Retry:
        """Read what `to_document` has written.

        Raises:
            ValueError: it is not that.
        """
        if not isinstance(document, dict):
            raise ValueError(f"not a retry policy: {document!r:.100}")  # noqa: TRY004
        try:
            return cls(**cast("dict[str, Any]", document))
        except TypeError as error:
            raise ValueError(f"not a retry policy: {error}") from error


def check_timeout(what: str, seconds: object) -> None:
    """Check a time-out.

    Raises:
        ValueError: it is not above 0, or over `MAX_SECONDS`.
    """
    if seconds is None:
        return
    if not isinstance(seconds, int | float) or not 0.0 < seconds <= MAX_SECONDS:
        raise ValueError(f"{what}={seconds!r:.40}: it is a number of seconds above 0, or None")


def _check_seconds(what: str, seconds: float) -> None:
    if type(seconds) not in (int, float) or not 0.0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"Retry({what}={seconds!r}): it is a number of seconds from 0")


ONCE: Final = Retry(attempts=1)
PATIENT: Final = Retry(forever=True)
"""How an undo is retried unless it is said: until it succeeds or says that it cannot."""
