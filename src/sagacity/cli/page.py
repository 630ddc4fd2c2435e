"""A saga as a page: what it is, its tree, how it ended, and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from sagacity.cli.glyphs import SAGA_SIGNS
from sagacity.cli.text import ago, cut, duration, moment, safe, safe_lines, shown_value
from sagacity.cli.tree import tree_lines
from sagacity.core.agenda import Direction
from sagacity.core.outcome import Abandoned, Stuck, Succeeded, Unwound
from sagacity.ports.store import FINAL, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.cli.look import Look
    from sagacity.core.outcome import NodeError
    from sagacity.core.views import SagaView
    from sagacity.core.why import Why

VALUE_CHARS: Final = 400
MESSAGE_CHARS: Final = 1_000


def saga_page(view: SagaView, look: Look, why: Why | None = None) -> list[Text]:
    """Return everything that `show` shows; with `why`, also what keeps the saga from going on."""
    lines = [title(view, look), *_facts(view, look)]
    if why is not None and view.state not in FINAL:
        lines += [Text.assemble(("  why not ", "dim"), safe(each.text)) for each in why.causes[:3]]
    lines.append(Text())
    lines += tree_lines(view, look)
    lines += _ending(view)
    lines += _errors(view, look)
    return [_fitted(line, look) for line in lines]


def saga_picture(view: SagaView, look: Look) -> list[Text]:
    """Return what is worth seeing while a saga runs: title and tree."""
    line = title(view, look)
    line.append(f"  {view.id}", style="dim")
    return [_fitted(line, look), *tree_lines(view, look)]


def title(view: SagaView, look: Look) -> Text:
    """Return one line that says which saga it is and how it is."""
    status = SagaStatus(view.state)
    sign = SAGA_SIGNS[status]
    running = status is SagaStatus.RUNNING
    line = Text(f"{look.spinner if running else look.sign(sign)} ", style=sign.style)
    line.append(safe(view.name), style="bold")
    line.append(f" {view.state}", style=sign.style)
    if view.direction is Direction.UNWINDING and status is not SagaStatus.UNWOUND:
        line.append(" unwinding", style="yellow")
    end = view.updated_ms if status in FINAL or status is SagaStatus.STUCK else look.now_ms
    line.append(f"  {duration(end - view.created_ms)}", style="dim")
    return line


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels in one line."""
    return " ".join(f"{safe(key)}={safe(value)}" for key, value in sorted(labels.items()))


def _facts(view: SagaView, look: Look) -> list[Text]:
    facts = [
        ("id", str(view.id)),
        ("created", f"{moment(view.created_ms)} ({ago(look.now_ms - view.created_ms)})"),
        ("changed", f"{moment(view.updated_ms)} ({ago(look.now_ms - view.updated_ms)})"),
        ("owner", f"{safe(view.owner)}, epoch {view.epoch}" if view.owner else "nobody"),
    ]
    if view.version != "1":
        facts.insert(1, ("version", safe(view.version)))
    if view.labels:
        facts.append(("labels", labels_text(view.labels)))
    if view.params is not None:
        facts.append(("params", shown_value(view.params, VALUE_CHARS)))
    return [Text.assemble((f"  {name:<8}", "dim"), text) for name, text in facts]


def _ending(view: SagaView) -> list[Text]:
    match view.outcome:
        case Succeeded(output=output):
            return [Text(), Text.assemble(("Output  ", "bold"), shown_value(output, VALUE_CHARS))]
        case Stuck(reason=reason):
            told = f"Stuck ({reason.value.replace('_', ' ')}): a person must decide."
            return [Text(), Text(told, style="bold red")]
        case Abandoned(reason=reason, by=by):
            return [Text(), Text(f"Abandoned by {safe(by)}: {safe(reason)}", style="red")]
        case Unwound():
            return []
        case None:
            running = [safe(node.path) for node in view.nodes if node.running]
            if not running:
                return []
            told = ", ".join(running[:10])
            more = f" and {len(running) - 10:,} more" if len(running) > 10 else ""  # noqa: PLR2004
            return [Text(), Text.assemble(("Running now  ", "bold cyan"), told + more)]


def _errors(view: SagaView, look: Look) -> list[Text]:
    if not view.errors:
        return []
    lines = [Text(), Text("Errors", style="bold red")]
    for number, error in enumerate(view.errors, start=1):
        lines += _error(number, error, look)
    return lines


def _error(number: int, error: NodeError, look: Look) -> list[Text]:
    whose = "undo of " if error.undo else ""
    lines = [
        Text.assemble(
            f"  {number}. ",
            (f"{whose}{safe(error.node)}", "bold"),
            ": ",
            (cut(safe(error.message or "(no message)"), MESSAGE_CHARS), "red"),
        )
    ]
    about = [error.kind.value.replace("_", " ")]
    if error.class_name:
        about.append(safe(error.class_name))
    if error.effect is not None:
        about.append(f"effect {error.effect.value}")
    lines.append(Text(f"     {', '.join(about)}", style="dim"))
    if error.data is not None:
        lines.append(Text(f"     data {shown_value(error.data, VALUE_CHARS)}", style="dim"))
    if error.traceback and look.verbose:
        lines += [Text(f"     {line}", style="dim") for line in safe_lines(error.traceback)]
    elif error.traceback:
        lines.append(Text("     (--verbose shows the traceback)", style="dim"))
    return lines


def _fitted(line: Text, look: Look) -> Text:
    if look.width is not None and not look.verbose:
        line.truncate(look.width, overflow="ellipsis")
    return line
