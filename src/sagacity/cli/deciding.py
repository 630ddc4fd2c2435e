"""What people decide of a saga: `pause`, `step`, `abort`, `retry`, `skip` and the others.

They work from any process: through the coordinator that is alive on the store, or
without one. Each is in the log of the saga, with who, why and when. With what says which
of many sagas instead of an ID it is about all of them (`bulking`, `holding`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from sagacity.cli.bulking import Many, carry_out_many, many_options
from sagacity.cli.going_on import lines_for_saga
from sagacity.cli.holding import Scope, lift_holds, place_hold, scope_options
from sagacity.cli.json_documents import DecisionDocument
from sagacity.cli.options import json_option, store_option
from sagacity.cli.output import emit, note
from sagacity.cli.params import read_json
from sagacity.cli.planning import plan_document, plan_lines
from sagacity.cli.stores import find_saga, reading
from sagacity.core.breakpoints import At
from sagacity.core.decisions import OF_NODES, Verb
from sagacity.core.values import encode
from sagacity.engine.requests import new_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.core.values import Json
    from sagacity.engine.requests import Request
    from sagacity.runtime import Plan

PATIENCE_SECONDS: Final = 30.0
"""How long a coordinator that is alive may take to carry out what is asked."""

_DONE: Final = {
    Verb.PAUSE: "begins nothing new",
    Verb.UNPAUSE: "goes on",
    Verb.ABORT: "is being taken back",
    Verb.RETRY: "tries again",
    Verb.SKIP: "takes the node as undone",
    Verb.SET_OUTPUT: "takes the node as succeeded",
    Verb.ABANDON: "is abandoned",
    Verb.STEP: "lets one node pass",
    Verb.SET_BREAKPOINT: "pauses when it comes there",
    Verb.CLEAR_BREAKPOINT: "does not pause there any more",
}


_GO_ON: Final = frozenset({Verb.ABORT, Verb.RETRY, Verb.SKIP, Verb.SET_OUTPUT})
"""What lets a saga go on, unless it is paused."""


def _decision(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all decisions have."""
    for option in (
        json_option,
        store_option,
        click.option(
            "--dry-run", is_flag=True, help="Say what it would do, and with which data; do nothing."
        ),
        click.option(
            "--request-id",
            type=click.UUID,
            metavar="UUID",
            help="Of this request: sent again with the same id, it is carried out once.",
        ),
        click.option("--by", metavar="WHO", help="Who decides, if not the user of this process."),
        click.option("--reason", metavar="TEXT", default="", help="Why; it is kept in the log."),
    ):
        function = option(function)
    return click.argument("saga_id", metavar="[ID]", default="")(function)


@click.command()
@_decision
@scope_options
def pause(*, scope: Scope, **options: Any) -> None:
    """Let nothing new begin in a saga, or in many.

    Attempts in flight may finish; forward or unwinding, nothing else begins until it is
    unpaused. ID is a UUID, or the beginning of one.

    With --name, --label or --all instead of an ID it is a hold: on all such sagas, those
    that come later too, until `unpause` with the same options; see `holds`.
    """
    if place_hold(scope, options):
        return
    _carry_out(Verb.PAUSE, **options)


@click.command()
@_decision
@scope_options
@click.option("--hold", type=click.UUID, metavar="UUID", help="Lift the hold with this id.")
def unpause(*, scope: Scope, hold: UUID | None, **options: Any) -> None:
    """Let a paused saga go on, or lift a hold.

    What stood still for a hold goes on when it is lifted; what was paused by itself stays
    paused.
    """
    if lift_holds(scope, hold, options):
        return
    _carry_out(Verb.UNPAUSE, **options)


@click.command()
@_decision
@click.argument("node", default="")
def step(**options: Any) -> None:
    """Let one node of a saga pass, and hold the rest.

    The node at path NODE, or the one that has waited longest; its do, or its undo when the
    saga unwinds. A saga that is not paused is from then on.
    """
    _carry_out(Verb.STEP, **options)


def _at(*, required: bool) -> Callable[..., Any]:
    return click.option(
        "--at",
        type=click.Choice([each.value for each in At]),
        default="before" if required else None,
        show_default=required,
        help="Before or after its action or its undo, or when an attempt has failed.",
    )


@click.command("set-breakpoint")
@_decision
@click.argument("node", default="")
@_at(required=True)
def set_breakpoint(*, at: str, **options: Any) -> None:
    """Let a saga pause by itself at a node, once.

    At the node at path NODE. Without NODE only --at failure makes sense: when any attempt
    has failed. `unpause` and `step` go on from there.
    """
    _carry_out(Verb.SET_BREAKPOINT, value=encode(at), **options)


@click.command("clear-breakpoint")
@_decision
@click.argument("node", default="")
@_at(required=False)
def clear_breakpoint(*, at: str | None, **options: Any) -> None:
    """Take breakpoints back: at a place, all of a node, or all."""
    _carry_out(Verb.CLEAR_BREAKPOINT, value=None if at is None else encode(at), **options)


@click.command()
@_decision
@many_options
def abort(**options: Any) -> None:
    """Take a saga back: undo all that it has done.

    Attempts in flight are waited for (or cancelled, if the saga says so). Nothing
    interrupts the unwinding.
    """
    _carry_out(Verb.ABORT, **options)


@click.command()
@_decision
@many_options
@click.argument("node", metavar="[NODE]", default="")
def retry(**options: Any) -> None:
    """Try again what is stuck or waits for a retry.

    Now, and with a fresh budget: the node at path NODE, or all such nodes.
    """
    _carry_out(Verb.RETRY, **options)


@click.command()
@_decision
@many_options
@click.argument("node", metavar="[NODE]", default="")
def skip(**options: Any) -> None:
    """Take a stuck node as undone.

    For the node at path NODE, when a person has undone it by hand. The saga then goes
    on unwinding.
    """
    _carry_out(Verb.SKIP, **options)


@click.command("set-output")
@_decision
@many_options
@click.argument("node", metavar="[NODE]", default="")
@click.option("--output", required=True, metavar="JSON|@FILE|-", help="What the action returned.")
def set_output(*, output: str, **options: Any) -> None:
    """Take a node as succeeded.

    For the node at path NODE whose outcome is unknown or that waits for a retry, when a
    person has found out what it did. An unwinding saga then undoes it.
    """
    _carry_out(Verb.SET_OUTPUT, value=read_json(output, "--output"), **options)


@click.command()
@_decision
@many_options
def abandon(**options: Any) -> None:
    """End a saga as it is.

    Nothing more is run or undone; `show` tells what it still holds. There is no way back.
    """
    _carry_out(Verb.ABANDON, **options)


def _carry_out(
    verb: Verb,
    *,
    saga_id: str,
    store: str,
    reason: str,
    by: str | None,
    request_id: UUID | None,
    as_json: bool,
    dry_run: bool,
    node: str = "",
    value: Json | None = None,
    many: Many | None = None,
) -> None:
    if many:
        if saga_id and (node or verb not in OF_NODES):
            raise click.UsageError("give an ID, or what says which sagas; not both")
        options = {
            "store": store, "reason": reason, "by": by, "request_id": request_id,
            "as_json": as_json, "dry_run": dry_run,
        }  # fmt: skip
        carry_out_many(verb, many, options, saga_id or node, value)  # one word is the node
        return
    if not saga_id:
        raise click.UsageError("which saga? Give its ID, or the beginning of it")
    if verb in {Verb.SKIP, Verb.SET_OUTPUT} and not node:
        raise click.UsageError("which node? Give its path behind the ID")
    try:
        request = new_request(verb, node, reason=reason, by=by, request_id=request_id, value=value)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if dry_run:
        plan = asyncio.run(_plan(store, saga_id, request))
        if as_json:
            emit(plan_document(plan))
        else:
            click.echo("\n".join(plan_lines(plan)))
        return
    found, changed, state, go_on = asyncio.run(_decide(store, saga_id, request))
    if as_json:
        emit(
            DecisionDocument(
                str(found), verb.value, node or None, str(request.request_id), changed, state
            )
        )
    elif changed:
        then = ": unpause it, and it goes on" if state == "paused" and verb in _GO_ON else ""
        click.echo(f"saga {found} {_DONE[verb]}; it is {state}{then}")
    else:
        click.echo(f"saga {found}: nothing to do; it is {state}")
    for line in go_on:
        note(line)


async def _plan(url: str, text: str, request: Request) -> Plan:
    async with reading(url) as client:
        return await client.plan(await find_saga(client, text), request)


async def _decide(url: str, text: str, request: Request) -> tuple[UUID, bool, str, list[str]]:
    async with reading(url) as client:
        saga_id = await find_saga(client, text)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                changed = await client.decide(saga_id, request)
        except TimeoutError as error:
            raise click.ClickException(
                f"asked, and not carried out within {PATIENCE_SECONDS:g} s: the coordinator does "
                f"it when it can. Ask again with --request-id {request.request_id}"
            ) from error
        driven = await client.has_coordinator()
        view = await client.get(saga_id)
        if changed and request.verb is Verb.SET_OUTPUT and not driven:
            note("its type was not checked: no coordinator with the code is alive")
        return saga_id, changed, view.state, [] if driven else lines_for_saga(view, url)
