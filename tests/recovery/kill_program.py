"""A coordinator that is killed over and over: the victim and its killer in one program.

    python kill_program.py DIRECTORY KILLS SEED

The killer forks victims. Each opens the same SQLite store, recovers what the one
before left, creates new sagas and runs all, until it is killed with SIGKILL at a
random moment. At the end one victim is left alone until nothing is unfinished; what
met so many kills that it looks like poison is retried there, as a person would.

The effects are files, one for each node that did its work, made and removed
idempotently: an outside ledger, which knows nothing of the saga log. What was
acknowledged is in a file that victims append to. Prints one JSON document.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sagacity import ActionFailed, Context, Sec, Stuck, action, open_store, saga
from sagacity.engine.system import new_saga_id

IN_FLIGHT = 12


@dataclass
class Order:
    """What one saga shall meet: `fail` fails with no effect, `lose` after its effect."""

    fail: str
    lose: str
    pause_ms: float


class Ledger:
    """Files in a directory: the effects that nodes have had and that were not undone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, key: str) -> None:
        (self.directory / key.replace("/", ":")).touch()

    def drop(self, key: str) -> None:
        (self.directory / key.replace("/", ":")).unlink(missing_ok=True)

    def of(self, saga_id: UUID) -> set[str]:
        return {path.name.split(":", 1)[1] for path in self.directory.glob(f"{saga_id}:*")}


def work(ctx: Context[Ledger], order: Order) -> str:
    """Do the work of a node, or fail before or after it."""
    if ctx.node_name == order.fail:
        raise ActionFailed("told to fail")
    ctx.deps.put(ctx.effect_key)
    if ctx.node_name == order.lose:
        raise ConnectionError("the reply was lost")
    return ctx.node_name


@action
async def careful(ctx: Context[Ledger], order: Order) -> str:
    await asyncio.sleep(order.pause_ms / 1000)
    return work(ctx, order)


@careful.undo
async def careful_undo(ctx: Context[Ledger], output: str | None, order: Order) -> None:
    await asyncio.sleep(order.pause_ms / 1000)
    ctx.deps.drop(ctx.effect_key)


@action
def threaded(ctx: Context[Ledger], order: Order) -> str:
    return work(ctx, order)


@threaded.undo
def threaded_undo(ctx: Context[Ledger], output: str | None) -> None:
    ctx.deps.drop(ctx.effect_key)


@action(atomic=True)
async def whole(ctx: Context[Ledger], order: Order) -> str:
    if ctx.node_name in {order.fail, order.lose}:
        raise ActionFailed("told to fail")
    ctx.deps.put(ctx.effect_key)
    return ctx.node_name


@whole.undo
async def whole_undo(ctx: Context[Ledger], output: str) -> None:
    ctx.deps.drop(ctx.effect_key)


@saga
def inner(order: Order) -> str:
    first = careful.options(node="first").node(order)
    return whole.options(node="second", after=[first]).node(order)


@saga
def outer(order: Order) -> str:
    start = careful.options(node="start").node(order)
    left = careful.options(node="left", after=[start]).node(order)
    right = threaded.options(node="right", after=[start]).node(order)
    nested = inner.options(node="nested", after=[start]).node(order)
    return whole.options(node="end", after=[left, right, nested]).node(order)


NODES = ("start", "left", "right", "nested/first", "nested/second", "end")
ALL_EFFECTS = {path.replace("/", ":") for path in NODES}
NAMES = tuple(path.rsplit("/", maxsplit=1)[-1] for path in NODES)


def random_order(chance: random.Random) -> Order:
    return Order(
        fail=chance.choice(NAMES) if chance.random() < 0.3 else "",
        lose=chance.choice(NAMES) if chance.random() < 0.3 else "",
        pause_ms=chance.choice([0, 0, 1, 5]),
    )


async def victim(directory: Path, seed: int, last: bool, ready: int) -> None:
    """Run sagas until killed; the last victim only finishes what is unfinished."""
    chance = random.Random(seed)
    store = open_store(f"sqlite:///{directory / 'sagas.db'}")
    acknowledged = os.open(directory / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with Sec(store, [outer], deps=Ledger(directory / "effects"), wait=True) as sec:
        os.write(ready, b"r")

        async def one() -> None:
            saga_id = new_saga_id()
            handle = await sec.create(outer, random_order(chance), id=saga_id)
            await handle.start()
            os.write(acknowledged, f"{saga_id}\n".encode())
            await handle.wait()

        while not last:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(one())
        for state in ("queued", "running"):
            while page := (await sec.list(state=state, limit=500)).items:
                for each in page:
                    await sec.handle(each.id).wait()
        for each in (await sec.list(state="stuck", limit=500)).items:
            handle = sec.handle(each.id)
            outcome = await handle.wait()
            if isinstance(outcome, Stuck) and outcome.reason == "poison":
                await handle.retry(by="on-call", reason="a kill from outside is no poison")
                await handle.wait()


def fork_victim(directory: Path, seed: int, *, last: bool = False) -> tuple[int, int]:
    """Return the pid of a new victim, and what to read its readiness from."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            asyncio.run(victim(directory, seed, last, writer))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    return pid, reader


def kill_once(directory: Path, seed: int, chance: random.Random) -> bool:
    """Fork a victim and kill it at a random moment; False when it had ended by itself."""
    pid, reader = fork_victim(directory, seed)
    if chance.random() < 0.9:
        os.read(reader, 1)  # else: killed while it opens the store, or recovers
    select.select([reader], [], [], chance.expovariate(1 / 0.08))
    os.close(reader)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


async def report(directory: Path) -> dict[str, object]:
    """Compare what the store says with the outside ledger."""
    ledger = Ledger(directory / "effects")
    wrong: list[str] = []
    states: dict[str, int] = {}
    seen: set[str] = set()
    async with Sec(open_store(f"sqlite:///{directory / 'sagas.db'}"), [outer]) as sec:
        after = None
        while True:
            page = await sec.list(limit=500, after=after)
            for each in page.items:
                seen.add(str(each.id))
                states[each.state] = states.get(each.state, 0) + 1
                left = ledger.of(each.id)
                wanted = ALL_EFFECTS if each.state == "succeeded" else set[str]()
                if each.state in {"succeeded", "unwound"} and left != wanted:
                    wrong.append(f"{each.id} {each.state}: effects {sorted(left)}")
            after = page.next
            if after is None:
                break
    acknowledged = set((directory / "acknowledged").read_text().split())
    return {"states": states, "wrong": wrong, "lost": sorted(acknowledged - seen),
            "acknowledged": len(acknowledged)}  # fmt: skip


def main(directory: Path, kills: int, seed: int) -> None:
    """Kill so many victims, let one finish, and print what is left."""
    chance = random.Random(seed)
    (directory / "effects").mkdir()
    (directory / "acknowledged").touch()
    killed = sum(kill_once(directory, chance.randrange(2**32), chance) for _ in range(kills))
    pid, reader = fork_victim(directory, seed, last=True)
    _, status = os.waitpid(pid, 0)
    os.close(reader)
    document = asyncio.run(report(directory))
    sys.stdout.write(
        json.dumps({"killed": killed, "last": os.waitstatus_to_exitcode(status), **document})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
