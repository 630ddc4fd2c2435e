"""Four small HTTP services on loopback that book and cancel, and misbehave as a plan says.

    POST /book    Idempotency-Key, Saga-Fencing-Token, {"trip", "amount"}: 201, 409 (definite), 503
    POST /cancel  the same: 200, 503
    and of both   400, 412, 422: a request that must not be carried out (`RequestRefused`)

Each gives requests their turns in its ledger. No fault is a guess
about time: a request that is slow, or whose reply is lost, is held until a later
request about the same trip was answered, or the service stops. So a slow booking
is always carried out after the undo that overtook it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Final

from aiohttp import web

from examples.trip.faults import Asked, Fault, Plan, Verb
from examples.trip.ledger import SERVICES, Answer, Ledger, Order, path_of
from sagacity.participants import Level, RequestRefused, read_request

_REFUSALS: Final = {
    "payment": "the card was declined",
    "hotel": "no room is free",
    "flight": "every seat is taken",
    "car": "no car is left",
}


class Service:
    """One service: takes requests, treats them as planned, and writes its ledger."""

    def __init__(self, name: str, ledger: Ledger, plan: Plan) -> None:
        """Serve over `ledger`, which the caller closes after `settle`."""
        self._name: Final = name
        self._ledger: Final = ledger
        self._plan: Final = plan
        self._count: Final[Counter[tuple[str, Verb]]] = Counter()
        self._held: Final[dict[str, asyncio.Event]] = {}
        self._stopping = False
        self._requests = 0
        self._idle: Final = asyncio.Event()
        self._idle.set()

    def application(self) -> web.Application:
        """Return what an HTTP server serves."""
        application = web.Application()
        application.router.add_post("/book", self._book)
        application.router.add_post("/cancel", self._cancel)
        return application

    async def settle(self) -> None:
        """Hold nothing any more and return when all work is done, also what nobody waits for."""
        self._stopping = True
        for held in self._held.values():
            held.set()
        await self._idle.wait()

    async def _book(self, request: web.Request) -> web.Response:
        def work(order: Order, fault: Fault) -> Answer:
            refusal = _REFUSALS[self._name] if fault is Fault.REFUSE else ""
            return self._ledger.book(order, refusal=refusal)

        return await self._serve(request, Verb.BOOK, work)

    async def _cancel(self, request: web.Request) -> web.Response:
        return await self._serve(request, Verb.CANCEL, lambda order, _: self._ledger.cancel(order))

    async def _serve(
        self, request: web.Request, verb: Verb, work: Callable[[Order, Fault], Answer]
    ) -> web.Response:
        # Counted here: aiohttp's shutdown forgets a handler whose client has hung up.
        self._requests += 1
        self._idle.clear()
        try:
            order = await _order_of(request, self._ledger.level)
            answer = await self._treat(order, verb, work)
        except RequestRefused as refused:
            answer = Answer(refused.status, {"reason": str(refused)})
        finally:
            self._requests -= 1
            if not self._requests:
                self._idle.set()
        return web.json_response(dict(answer.body), status=answer.status)

    async def _treat(
        self, order: Order, verb: Verb, work: Callable[[Order, Fault], Answer]
    ) -> Answer:
        self._count[order.trip, verb] += 1
        asked = Asked(self._name, verb, order.trip, self._count[order.trip, verb])
        treatment = self._plan(asked)
        await asyncio.sleep(treatment.delay_seconds)
        match treatment.fault:
            case Fault.UNAVAILABLE:
                return Answer(503, {"reason": "try again later"})
            case Fault.SLOW:
                await self._hold(order.trip)
                return work(order, treatment.fault)
            case Fault.LOSE_REPLY:
                answer = work(order, treatment.fault)
                await self._hold(order.trip)
                return answer
            case Fault.NONE | Fault.REFUSE:
                answer = work(order, treatment.fault)
                if held := self._held.pop(order.trip, None):
                    held.set()
                return answer

    async def _hold(self, effect: str) -> None:
        if not self._stopping:
            await self._held.setdefault(effect, asyncio.Event()).wait()


async def _order_of(request: web.Request, level: Level) -> Order:
    body = await request.json()
    content = request.path.encode() + await request.read()
    return Order(read_request(request.headers, content, level), body["trip"], body["amount"])


@asynccontextmanager
async def running_services(
    directory: Path, plan: Plan, *, level: Level = Level.FENCED
) -> AsyncGenerator[Mapping[str, str], None]:
    """Run the four services on free ports, with their ledgers in `directory`; gives their URLs.

    On leaving, every request that came in has been carried out, late or not: what
    the ledgers say then is final.
    """
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for name in SERVICES:
            ledger = Ledger(path_of(directory, name), level=level)
            stack.enter_context(closing(ledger))
            service = Service(name, ledger, plan)
            runner = web.AppRunner(service.application(), access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            stack.push_async_callback(service.settle)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            urls[name] = f"http://{host}:{port}"
        yield urls
