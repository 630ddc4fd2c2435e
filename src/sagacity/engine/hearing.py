"""What people ask of one saga that runs, from the question to its being durable.

Heartbeats of its attempts take the same way into the log; nobody waits for an answer.

    asked -> heard (recorded, or refused at once) -> told (durable), or refused (at rest)

At most one append of a saga is in flight. So what is asked while an attempt keeps the
saga's own task busy is made durable aside, and that task waits for it before its own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagacity.engine.heartbeats import Heartbeats
    from sagacity.engine.journal import Journal
    from sagacity.engine.requests import Request
    from sagacity.engine.tasks import TaskSet


class AtRestError(Exception):
    """Ours: the saga does not run any more; what was asked of it is to be asked anew."""


class Hearing:
    """Those who have asked something of one saga, and wait for the answer."""

    __slots__ = ("_aside", "_heard", "_journal", "_take", "asked", "heartbeats")

    def __init__(
        self, journal: Journal, take: Callable[[Request], bool], heartbeats: Heartbeats
    ) -> None:
        """`take` records a request in `journal`, returns False if it changes nothing, or raises."""
        self._journal: Final = journal
        self._take: Final = take
        self.asked: list[tuple[Request, asyncio.Future[bool]]] = []
        """What nobody has looked at yet."""
        self._heard: list[asyncio.Future[bool]] = []
        self._aside: asyncio.Task[None] | None = None
        self.heartbeats: Final = heartbeats
        """Of its attempts."""

    @property
    def has_news(self) -> bool:
        """Whether something is to be recorded."""
        return bool(self.asked) or bool(self.heartbeats.ready)

    def ask(self, request: Request) -> asyncio.Future[bool]:
        """Return what is done when the answer is durable."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.asked.append((request, answer))
        return answer

    def hear(self) -> None:
        """Record what is asked, and heartbeats."""
        self.heartbeats.record()
        while self.asked:
            request, answer = self.asked.pop(0)
            try:
                changes = self._take(request)
            except Exception as error:  # noqa: BLE001 - a border: it is for who has asked
                _settle(answer, error)
                continue
            if changes:
                self._heard.append(answer)
            else:
                _settle(answer, None)

    def tell(self) -> None:
        """Answer those whose requests are durable now."""
        heard, self._heard = self._heard, []
        for answer in heard:
            _settle(answer, None, done=True)

    def refuse(self) -> None:
        """Have everything asked anew."""
        for answer in (*self._heard, *(answer for _, answer in self.asked)):
            _settle(answer, AtRestError())
        self._heard.clear()
        self.asked.clear()
        self.heartbeats.stop()

    def answer_aside(self, tasks: TaskSet) -> None:
        """Answer in a task of its own what is asked, until `until_answered`."""
        aside = self._aside
        if aside is not None and aside.done() and (aside.cancelled() or aside.exception()):
            self.refuse()  # who waits for it hears why
        elif aside is None or aside.done():
            self._aside = tasks.spawn(self._answer())

    async def until_answered(self) -> None:
        """Wait for what is answered aside."""
        if self._aside is not None:
            aside, self._aside = self._aside, None
            await aside

    async def _answer(self) -> None:
        try:
            while self.has_news:
                self.hear()
                if self._journal.pending:
                    await self._journal.commit()
                    self._journal.at_ms = 0
                self.tell()
        except BaseException:
            self.refuse()
            raise


def _settle(answer: asyncio.Future[bool], error: Exception | None, *, done: bool = False) -> None:
    """Tell who has asked, if they still listen."""
    if answer.done():
        return
    if error is None:
        answer.set_result(done)
    else:
        answer.set_exception(error)
