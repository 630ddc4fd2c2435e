"""The services as actions see them: one HTTP client for all, with its own short time-out.

Tells a definite no from no answer, and nothing else: what follows from either is the
engine's affair. The headers come from the context, so every attempt of a node sends
the same key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final, TypeVar

import aiohttp

from examples.trip.faults import Verb
from sagacity import ActionFailed, Context, UndoFailed
from sagacity.participants import headers_for

TIMEOUT_SECONDS: Final = 0.5
PAUSES_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


class NoAnswerError(Exception):
    """The service did not answer (in time): nobody knows whether it did the work."""


class RefusedError(Exception):
    """The service said no: definitely no effect."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a service gives for a booking."""

    id: str
    trip: str
    amount: int


R = TypeVar("R", bound=Receipt)


class TripClient:
    """What `ctx.deps` is: books and cancels at the four services."""

    def __init__(self, session: aiohttp.ClientSession, urls: Mapping[str, str]) -> None:
        """Use `session`, which the caller closes, for the services at `urls`."""
        self._session: Final = session
        self._urls: Final = urls

    async def book(
        self, kind: type[R], ctx: Context[TripClient], service: str, trip: str, amount: int
    ) -> R:
        """Ask once.

        Raises:
            ActionFailed: the service refused; no effect.
            NoAnswerError: unknown; the engine lets the undo see to it.
        """
        try:
            return kind(**await self._post(ctx, service, Verb.BOOK, trip, amount))
        except RefusedError as error:
            raise ActionFailed(str(error)) from error
        except TypeError as error:
            raise NoAnswerError(f"{service} gave a receipt that cannot be read") from error

    async def book_surely(
        self, kind: type[R], ctx: Context[TripClient], service: str, trip: str, amount: int
    ) -> R:
        """Ask, with the same key, until the service says yes or no: what an atomic action needs.

        There is no last try: to give up would tell the engine that there is no effect,
        and that would be a guess.

        Raises:
            ActionFailed: the service refused; no effect.
        """
        for pause_seconds in chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1])):
            try:
                return await self.book(kind, ctx, service, trip, amount)
            except NoAnswerError:
                await asyncio.sleep(pause_seconds)
        raise AssertionError

    async def cancel(self, ctx: Context[TripClient], service: str, trip: str) -> None:
        """Ask once; booked or not, nothing is held when the service has answered.

        Raises:
            NoAnswerError: it did not answer; the engine asks again.
            UndoFailed: it refuses, and will not change its mind.
        """
        try:
            await self._post(ctx, service, Verb.CANCEL, trip, 0)
        except RefusedError as error:
            raise UndoFailed(str(error)) from error

    async def _post(
        self, ctx: Context[TripClient], service: str, verb: Verb, trip: str, amount: int
    ) -> dict[str, Any]:
        order = {"trip": trip, "amount": amount}
        url = f"{self._urls[service]}/{verb}"
        try:
            async with self._session.post(url, headers=headers_for(ctx), json=order) as response:
                status = response.status
                body: dict[str, Any] = await response.json() if status < 500 else {}
        except TimeoutError as error:
            raise NoAnswerError(f"{service} did not answer in time") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise NoAnswerError(f"{service} gave no answer that can be read: {error}") from error
        if status == 409:
            raise RefusedError(f"{service}: {body['reason']}")
        if status >= 400:
            raise NoAnswerError(f"{service} answered with status {status}")
        return body


@asynccontextmanager
async def open_client(
    urls: Mapping[str, str], *, timeout_seconds: float = TIMEOUT_SECONDS
) -> AsyncGenerator[TripClient, None]:
    """Open a client of the services at `urls` that waits so long for each answer."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        # Unlimited: the time that a request queues for a connection would count as well.
        connector=aiohttp.TCPConnector(limit=0),
    ) as session:
        yield TripClient(session, urls)
