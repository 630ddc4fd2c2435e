"""What may be done about a request, decided from the row of its effect; no database is known here.

A request has its turn in the participant's own transaction: first what is known of the
effect is read (and locked), then the participant carries out what is to be carried out,
then its answer is kept. All three commit together or not at all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from sagacity.core.values import decode, encode
from sagacity.errors import RequestChanged, TokenStale
from sagacity.participants.statements import ADMIT, FENCE, REMEMBER

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from sagacity.participants.requests import Request

Parameters: TypeAlias = "Mapping[str, str | int | None]"
Row: TypeAlias = "tuple[Any, ...]"
Statement: TypeAlias = "tuple[str, Parameters]"

MAX_ANSWER_BYTES: Final = 64 * 1024


class Verdict(StrEnum):
    """What is to be done about a request."""

    CARRY_OUT = "carry out"
    """Have the effect (or take it back), and say what it came to."""
    REPEATED = "repeated"
    """It was carried out before: give the same answer again."""
    TOO_LATE = "too late"
    """A do whose undo came first: do nothing, now and for ever. A definite no."""
    NOTHING_TO_UNDO = "nothing to undo"
    """An undo of what was not done, and will never be: nothing is held."""


@final
class Turn:
    """One request that is looked at, until its transaction ends."""

    __slots__ = ("_held", "_request", "_text", "answer", "done", "verdict")

    def __init__(self, request: Request, row: Row) -> None:
        do_digest, do_answer, undo_digest, undo_answer, held = row
        digest, answer = (undo_digest, undo_answer) if request.undo else (do_digest, do_answer)
        if digest != request.digest:
            raise RequestChanged(request.effect)
        self._request: Final = request
        self._text: str | None = None
        self._held: int = held
        self.verdict: Final = _verdict(request, answer, undo_digest=undo_digest, held=held)
        self.answer: Any = None if answer is None else decode(answer)
        """What it was answered, now or the first time."""
        self.done: Final[Any] = decode(do_answer) if request.undo and held else None
        """In an undo to carry out: what the do had answered."""

    def finish(self, answer: Any = None) -> None:
        """Say that it was carried out; `answer` is JSON, and is given to those who ask again.

        Raises:
            ValueNotStorable: it cannot be kept, or has more than `MAX_ANSWER_BYTES`.
        """
        self._answered(answer, held=not self._request.undo)

    def refuse(self, answer: Any = None) -> None:
        """Say that a do had no effect and never will: a definite no, also to those who ask again.

        An undo has no such end: a person may order it again, with the same key. Let it
        fail instead, and answer with an error.

        Raises:
            ValueNotStorable: as `finish`.
        """
        if self._request.undo:
            raise RuntimeError(f"{self._request.effect}: an undo cannot be refused for good")
        self._answered(answer, held=False)

    def _answered(self, answer: Any, *, held: bool) -> None:
        if self.verdict is not Verdict.CARRY_OUT or self._text is not None:
            raise RuntimeError(f"{self._request.effect}: it is answered already ({self.verdict})")
        text = encode(answer, limit_bytes=MAX_ANSWER_BYTES)
        self._text = text.decode()
        self._held = int(held)
        self.answer = decode(text)  # as those get it who ask again

    def remembered(self) -> Parameters | None:
        """Return what `REMEMBER` keeps of it, or None if there is nothing new.

        Raises:
            RuntimeError: it was to be carried out, and nobody has said what it came to.
        """
        if self.verdict is not Verdict.CARRY_OUT:
            return None
        request = self._request
        if self._text is None:
            raise RuntimeError(f"{request.effect}: `finish` or `refuse` it before the turn ends")
        return {
            "saga": request.saga,
            "effect": request.effect,
            "do_answer": None if request.undo else self._text,
            "undo_answer": self._text if request.undo else None,
            "held": self._held,
        }


def _verdict(
    request: Request, answer: str | None, *, undo_digest: str | None, held: int
) -> Verdict:
    if answer is not None:
        return Verdict.REPEATED
    if request.undo:
        return Verdict.CARRY_OUT if held else Verdict.NOTHING_TO_UNDO
    return Verdict.CARRY_OUT if undo_digest is None else Verdict.TOO_LATE


def admission(request: Request) -> Generator[Statement, Row, Turn]:
    """Yield the statements that let `request` in, take the row that each gives, return its turn.

    Raises:
        TokenStale: the saga has a newer owner.
        RequestChanged: the key stands for another request.
    """
    if request.token is not None:
        (highest,) = yield FENCE, {"saga": request.saga, "token": request.token}
        if highest > request.token:
            raise TokenStale(request.saga, request.token, highest)
    row = yield (
        ADMIT,
        {
            "saga": request.saga,
            "effect": request.effect,
            "do_digest": None if request.undo else request.digest,
            "undo_digest": request.digest if request.undo else None,
        },
    )
    return Turn(request, row)


def ending(turn: Turn) -> Generator[Statement, Row, None]:
    """Yield the statement that keeps what `turn` came to, if there is anything to keep.

    Raises:
        RuntimeError: nobody has said what it came to.
    """
    remembered = turn.remembered()
    if remembered is not None:
        yield REMEMBER, remembered
