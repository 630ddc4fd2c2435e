"""`worker`: a coordinator that runs until it is told to stop, and says what it does.

With `--processes` there are many of them, each in a process of its own (`supervising`).
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from sagacity.cli import event_loop
from sagacity.cli.codecs import codec_words
from sagacity.cli.exit_codes import FAILED, SUCCEEDED
from sagacity.cli.interruption import interruptible, leave_at_once, unless_interrupted
from sagacity.cli.json_documents import CutShortDocument, WorkerDocument
from sagacity.cli.lines import event_text
from sagacity.cli.loading import code_of, load_module, made_deps
from sagacity.cli.logging_options import log_format_option, observers_for
from sagacity.cli.options import deps_option, json_option, store_option
from sagacity.cli.output import emit, standard_output_kept
from sagacity.cli.stores import is_shared, new_store, shown_url
from sagacity.cli.supervising import MAX_PROCESSES, Crew, Supervisor, end_with_parent
from sagacity.cli.text import safe, time_of_day
from sagacity.core.codec import LoggedEvent
from sagacity.core.events import Adopted, Finished, StartRequested, UndoFailed, Unwinding
from sagacity.core.viewing import event_view
from sagacity.engine.capacity import DEFAULT_MAX_ACTIONS, DEFAULT_MAX_SAGAS
from sagacity.engine.sec import DRAIN_SECONDS
from sagacity.engine.system import collect_garbage_less_often, wall_ms
from sagacity.errors import StoreBusy
from sagacity.runtime import DrainReport, Sec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.cli.interruption import Interruption
    from sagacity.cli.loading import Code
    from sagacity.ports.observer import Observer, Recorded

log: Final = logging.getLogger("sagacity.worker")

MAX_WAITING_TOLD: Final = 5
"""Of the attempts that a worker waits for, how many it names at a time."""
_TOLD: Final = (StartRequested, Adopted, Unwinding, UndoFailed, Finished)
"""What is told of a saga without `--verbose`."""


@click.command()
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@store_option
@deps_option
@click.option(
    "--max-sagas",
    type=click.IntRange(1),
    default=DEFAULT_MAX_SAGAS,
    show_default=True,
    help="The most sagas in memory at once.",
)
@click.option(
    "--max-actions",
    type=click.IntRange(1),
    default=DEFAULT_MAX_ACTIONS,
    show_default=True,
    help="The most attempts at once.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, MAX_PROCESSES),
    default=1,
    show_default=True,
    help="How many workers, each a process with the limits above, that are started again when "
    "they die; more than one needs a store in PostgreSQL.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0, 86_400),
    default=DRAIN_SECONDS,
    show_default=True,
    help="How long attempts in flight may take to end when it is told to stop.",
)
@click.option("--supervised", is_flag=True, hidden=True)
@click.option(
    "--wait", is_flag=True, help="If another coordinator drives the store, wait for its end."
)
@log_format_option
@click.option("--verbose", "-v", is_flag=True, help="Tell every event.")
@click.option("--quiet", "-q", is_flag=True, help="Tell nothing but warnings.")
@json_option
def worker(
    *,
    modules: tuple[str, ...],
    store: str,
    deps: str | None,
    max_sagas: int,
    max_actions: int,
    processes: int,
    drain_seconds: float,
    supervised: bool,
    wait: bool,
    log_format: str | None,
    verbose: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Be the coordinator of a store.

    Runs the sagas of the modules until it is told to stop; takes over what
    is unfinished, and runs what is handed to it. SIGTERM or Ctrl-C lets attempts in
    flight come to an end, and exits with 0; a second one stops at once. On a store in
    PostgreSQL there may be any number of workers, which share the sagas.

    With --json the lines go to standard error, and a document follows at the end.
    """
    logs = observers_for(log_format)
    lines = _Lines(verbose=verbose, quiet=quiet, err=as_json, logged=log_format is not None)
    with (
        standard_output_kept() if as_json else nullcontext(),
        interruptible("Stopped at once, as a crash would.") as interruption,
    ):
        code = code_of([load_module(name) for name in modules])
        supervisor: Supervisor | None = None
        drained = DrainReport(())
        if processes > 1:
            limits = ["--max-sagas", str(max_sagas), "--max-actions", str(max_actions)]
            told = [*(["-v"] if verbose else []), *(["-q"] if quiet else [])]
            told += ["--log-format", log_format] if log_format else []
            more = ["--deps", deps] if deps else []
            crew = _crew(store, processes, drain_seconds, [*modules, *limits, *more, *told], lines)
            supervisor = event_loop.run(_supervised(crew, interruption))
        else:
            if supervised:
                end_with_parent()
            job = _Job(code, store, deps, max_sagas, max_actions, drain_seconds, wait, logs)
            collect_garbage_less_often()
            drained = event_loop.run(_work(job, lines, interruption))
    if supervisor is not None:
        if as_json:
            emit(_summed(supervisor))
        return FAILED if supervisor.has_given_up else SUCCEEDED
    cut_short = [CutShortDocument(str(saga_id), node) for saga_id, node in drained.cut_short]
    if as_json:
        emit(WorkerDocument(dict(lines.finished), lines.undo_failures, cut_short, 0))
    if cut_short:
        leave_at_once(SUCCEEDED)
    return SUCCEEDED


def _crew(
    store: str, count: int, drain_seconds: float, words: Sequence[str], lines: _Lines
) -> Crew:
    """Return what `--processes` runs.

    Raises:
        click.ClickException: the store takes one coordinator only.
    """
    if not is_shared(store):
        raise click.ClickException(
            f"{shown_url(store)} takes one worker at a time: --processes needs a store in "
            f"PostgreSQL (--store postgresql://...)"
        )
    return Crew(
        count,
        ["worker", *words, *codec_words(), "--json", "--supervised",
         "--drain-seconds", str(drain_seconds)],
        {"SAGACITY_STORE": store},  # not among the words: everybody can read those
        drain_seconds,
        lines.say,
        lines.pass_on,
    )  # fmt: skip


async def _supervised(crew: Crew, interruption: Interruption) -> Supervisor:
    supervisor = Supervisor(crew)
    await supervisor.run(interruption)
    crew.say("stopped")
    return supervisor


def _summed(supervisor: Supervisor) -> WorkerDocument:
    """Return what all processes did together; of those that died nobody knows."""
    told = supervisor.documents
    finished: Counter[str] = Counter()
    for each in told:
        finished.update(each["finished"])
    return WorkerDocument(
        finished=dict(finished),
        undo_failures=sum(each["undo_failures"] for each in told),
        cut_short=[
            CutShortDocument(cut["saga"], cut["node"]) for each in told for cut in each["cut_short"]
        ],
        restarts=supervisor.restarts,
    )


@dataclass(frozen=True, slots=True)
class _Job:
    code: Code
    store: str
    deps: str | None
    max_sagas: int
    max_actions: int
    drain_seconds: float
    wait: bool
    logs: tuple[Observer, ...]

    def coordinator(self, deps: Any, lines: _Lines, *, wait: bool) -> Sec:
        return Sec(
            new_store(self.store),
            self.code.runnables,
            deps=deps,
            max_sagas=self.max_sagas,
            max_actions=self.max_actions,
            wait=wait,
            observers=[lines, *self.logs],
        )


async def _work(job: _Job, lines: _Lines, interruption: Interruption) -> DrainReport:
    async with AsyncExitStack() as stack:
        deps = await stack.enter_async_context(made_deps(job.deps))
        try:
            sec = await stack.enter_async_context(job.coordinator(deps, lines, wait=False))
        except StoreBusy as error:
            if not job.wait:
                hint = "with --wait a worker stands by until the other one ends"
                raise StoreBusy(f"{error}; {hint}") from error
            lines.say(f"waiting: {safe(str(error))}")
            waiting = job.coordinator(deps, lines, wait=True)
            entered = await unless_interrupted(interruption, stack.enter_async_context(waiting))
            if entered is None:
                return DrainReport(())
            sec = entered
        names = ", ".join(safe(saga.name) for saga in job.code.sagas) or "no sagas"
        lines.say(f"driving {safe(shown_url(job.store))}: {names}")
        await interruption.wait()
        lines.say(f"stopping: what runs has {job.drain_seconds:g} s to end; again stops at once")
        drained = await sec.drain(job.drain_seconds, tell=lines.tell_waiting)
        for saga_id, node in drained.cut_short:
            lines.say(f"{saga_id}  {safe(node)} cut short; it runs again when its saga goes on")
        lines.say("stopped")
        return drained


class _Lines:
    """An observer that prints what it hears, and counts how sagas ended.

    `logged`: what is said goes to the log, where another observer tells of the sagas.
    """

    def __init__(self, *, verbose: bool, quiet: bool, err: bool, logged: bool) -> None:
        self._verbose: Final = verbose
        self._quiet: Final = quiet
        self._err: Final = err
        self._logged: Final = logged
        self.finished: Final[Counter[str]] = Counter()
        self.undo_failures = 0

    def say(self, text: str) -> None:
        if self._quiet:
            return
        if self._logged:
            log.info("%s", text)
        else:
            click.echo(f"{time_of_day(wall_ms())}  {text}", err=self._err)

    def pass_on(self, number: int, line: str) -> None:
        """Print a line of another process."""
        if not (self._quiet or self._logged):
            click.echo(f"{number}| {line}", err=self._err)
        elif line:
            click.echo(line, err=True)

    def tell_waiting(self, running: Sequence[tuple[UUID, str]]) -> None:
        """Say what keeps us from stopping."""
        for saga_id, node in running[:MAX_WAITING_TOLD]:
            self.say(f"{saga_id}  waiting for {safe(node)}")
        if len(running) > MAX_WAITING_TOLD:
            self.say(f"waiting for {len(running) - MAX_WAITING_TOLD} more")

    def recorded(self, what: Recorded) -> None:
        for event in what.events:
            if type(event) is Finished:
                self.finished[event.outcome.value] += 1
            elif type(event) is UndoFailed:
                self.undo_failures += 1
            if not self._logged and (self._verbose or isinstance(event, _TOLD)):
                # Only what the event itself says is shown; place, time and owner are not.
                view = event_view(what.dag, LoggedEvent(what.sequence, 0, 0, "", event))
                self.say(f"{what.saga_id}  {safe(what.saga_name)}  {event_text(view)}")

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        del saga_id, error  # logged by the engine
