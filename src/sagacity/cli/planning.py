"""`--dry-run`: what a decision would do, as text and as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagacity.cli.json_documents import LeftDocument, PlanDocument, PlannedCallDocument
from sagacity.cli.text import counted, moment, safe, shown_value
from sagacity.core.decisions import Answer, Verb

if TYPE_CHECKING:
    from sagacity.runtime import LeftNode, Plan, PlannedCall

MAX_LINES: Final = 50
"""The most calls, and the most nodes that are left, that the text tells; the document has all."""
VALUE_CHARS: Final = 60


def plan_document(plan: Plan) -> PlanDocument:
    """Return a plan as a document, whole."""
    return PlanDocument(
        id=str(plan.saga_id),
        verb=plan.verb.value,
        node=plan.node or None,
        answer=plan.answer.value,
        why=plan.why,
        calls=[
            PlannedCallDocument(
                step=call.step,
                node=call.node,
                label=call.label,
                undo=call.undo,
                attempt=call.attempt,
                not_before_ms=call.not_before_ms or None,
                inputs=None if call.inputs is None else dict(call.inputs),
                awaited=list(call.awaited),
                output=call.output,
            )
            for call in plan.calls
        ],
        state=plan.state,
        left=[
            LeftDocument(each.node, each.label, each.status.value, each.stuck or None, each.output)
            for each in plan.left
        ],
    )


def plan_lines(plan: Plan) -> list[str]:
    """Return a plan as lines for people, abridged."""
    about = f" {safe(plan.node)}" if plan.node else ""
    asked = f"{plan.verb.value.replace('_', '-')}{about} of saga {plan.saga_id}"
    if plan.answer is not Answer.ALLOWED:
        return [f"{asked}: {plan.answer.value}: {safe(plan.why)}"]
    lines = [f"{asked} would be carried out; nothing was changed."]
    if plan.verb is Verb.SET_OUTPUT:
        lines.append(
            "Whether the output is of the node's type, a coordinator with the code checks."
        )
    if plan.calls:
        lines += ["It would run, if all succeeds (what has one number can run at once):", ""]
        lines += [_call_line(call) for call in plan.calls[:MAX_LINES]]
        lines += _more(len(plan.calls), "call")
        lines.append("")
    lines.append(f"{'Then' if plan.calls else 'Nothing would run, and'} it is {plan.state}.")
    if plan.left:
        lines += ["", "Nobody would have taken back:", ""]
        lines += [_left_line(each) for each in plan.left[:MAX_LINES]]
        lines += _more(len(plan.left), "node")
    return lines


def _call_line(call: PlannedCall) -> str:
    what = f"  {call.step or 'now':>3}  {'undo' if call.undo else 'do':<4}  {safe(call.node)}"
    told = [what] if call.attempt == 1 else [f"{what}, attempt {call.attempt}"]
    if call.not_before_ms:
        told.append(f"not before {moment(call.not_before_ms)}")
    if call.undo and call.output is not None:
        told.append(f"output {_shown(call.output)}")
    for name, value in (call.inputs or {}).items():
        told.append(f"{safe(name)}={_shown(value)}")
    told += [f"{safe(name)}=?" for name in call.awaited]
    return "  ".join(told)


def _left_line(each: LeftNode) -> str:
    stuck = f" ({each.stuck})" if each.stuck else ""
    output = "" if each.output is None else f"  output {_shown(each.output)}"
    return f"  {safe(each.node)}  {each.status.value}{stuck}{output}"


def _shown(value: Any) -> str:
    return shown_value(value, VALUE_CHARS)


def _more(count: int, noun: str) -> list[str]:
    return [f"  ... and {counted(count - MAX_LINES, noun)} more (--json has all)"] * (
        count > MAX_LINES
    )
