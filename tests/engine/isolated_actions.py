"""Actions that run in processes of their own: what the tests of isolation call.

They talk to the test through files, in a directory that their params name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sagacity import ActionFailed, Context, Retry, UndoFailed, action, saga
from sagacity.core.actions import ActionFunc


@dataclass
class Order:
    """Params."""

    place: str
    how: str = ""
    price: Decimal = Decimal("1.10")


@dataclass
class Deps:
    """What cannot travel: it is made in each process."""

    process: int


def make_deps() -> Deps:
    return Deps(os.getpid())


class BusyError(ActionFailed):
    """A kind of its own."""


class LostError(RuntimeError):
    """Another."""


def note(order: Order, name: str, what: object) -> None:
    with (Path(order.place) / name).open("a") as file:
        file.write(f"{what}\n")


@action(read_only=True)
async def first(ctx: Context) -> int:
    return 41


def stay(order: Order) -> None:
    """Run until somebody kills this process; another one that it has started stays as long."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    note(order, "pids", os.getpid())
    note(order, "pids", child.pid)
    os.mkfifo(Path(order.place) / f"never{os.getpid()}")
    with (Path(order.place) / "ready").open("w") as ready:
        ready.write("ready")
    with (Path(order.place) / f"never{os.getpid()}").open():  # waits for a writer that never comes
        pass


@action(
    isolation="process",
    process_deps=make_deps,
    retry=Retry(attempts=2, backoff=0, on=LostError),
)
def work(ctx: Context[Deps], order: Order, number: int) -> Decimal:
    note(order, "attempts", f"{ctx.attempt} {ctx.last_heartbeat}")
    match order.how:
        case "all":
            note(order, "told", (
                ctx.node_name, ctx.node_label, str(ctx.saga_id), ctx.idempotency_key,
                ctx.lookup("first", int), ctx.params(Order).how, str(ctx.uuid("x")), ctx.random(),
                ctx.now().isoformat(), ctx.deps.process == os.getpid(), ctx.fencing_token,
                threading.current_thread() is threading.main_thread(),
            ))  # fmt: skip
            note(order, "process", os.getpid())
            ctx.log.warning("done %d%%", 50, extra={"customer": 7})
            ctx.heartbeat({"done": 50})
        case "lookup":
            ctx.lookup("nobody")
        case "exit":
            os._exit(3)
        case "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "system exit":
            sys.exit(4)
        case "busy":
            raise BusyError("try later", {"n": [1, 2]})
        case "lost":
            ctx.heartbeat("on the way")
            if ctx.attempt == 1:
                raise LostError("line cut")
        case "unstorable":
            return order  # type: ignore[return-value]
        case "stay":
            stay(order)
        case _:
            pass
    return order.price + number


@work.undo
def unwork(ctx: Context[Deps], made: Decimal | None, order: Order, number: int) -> None:
    note(order, "undone", (str(made), number, ctx.outcome_known, ctx.deps.process == os.getpid()))
    if order.how == "undo fails":
        raise UndoFailed("cannot", {"why": "shut"})


@action(no_undo="harmless")
async def last(ctx: Context, order: Order, made: Decimal) -> Decimal:
    if order.how in ("undo", "undo fails"):
        raise ActionFailed("no")
    return made


@action(isolation="process", atomic=True)
def sure(ctx: Context, order: Order) -> None:
    os._exit(7)


@sure.undo
def unsure(ctx: Context, output: None) -> None: ...


@action(isolation="process", read_only=True, timeout=5)
def slow(ctx: Context, order: Order) -> None:
    stay(order)


@action(isolation="process", read_only=True, heartbeat=5, retry=Retry(attempts=2, backoff=0))
def silent(ctx: Context, order: Order) -> str:
    note(order, "handed", ctx.last_heartbeat)
    if ctx.attempt == 1:
        ctx.heartbeat("before the silence")
        stay(order)
    return "heard"


@action(isolation="process", no_undo="harmless")
def without_deps(ctx: Context[Any], order: Order) -> int:
    return int(ctx.deps.process)


@saga
def isolated(order: Order) -> Decimal:
    number = first.node()
    made = work.options(label="the work").node(order, number)
    return last.node(order, made)


@saga
def one_sure(order: Order) -> None:
    sure.node(order)


@saga
def one_slow(order: Order) -> None:
    slow.node(order)


@saga
def one_silent(order: Order) -> str:
    return silent.node(order)


@saga
def one_without_deps(order: Order) -> int:
    return without_deps.node(order)


def plain_do(ctx: Any) -> list[Any]:
    return [ctx.params(), os.getpid()]


def plain_undo(ctx: Any) -> None:
    Path(ctx.params()["undone"]).write_text(f"{ctx.lookup('a')[1]} {os.getpid()}")


PLAIN = ActionFunc("plain", plain_do, plain_undo, isolation="process")
