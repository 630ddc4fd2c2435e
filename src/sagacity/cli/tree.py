"""A saga as a tree: its nodes, subsagas nested, one line for each; then its errors.

Made from a `SagaView` and a `Look`, nothing else. Everything that comes from the
store is escaped here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.cells import cell_len
from rich.text import Text

from sagacity.cli.glyphs import INTERRUPTED, NODE_SIGNS, RETRIED, SUBSAGA_SIGNS
from sagacity.cli.text import ago, cut, duration, safe, shown_value
from sagacity.core.nodes import NodeKind
from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sagacity.cli.glyphs import Sign
    from sagacity.cli.look import Look
    from sagacity.core.views import NodeView, SagaView

Row: TypeAlias = tuple[Text, str, Text | None]
"""Name, how long it took, and what else there is to tell; None: nothing at all."""

VALUE_CHARS: Final = 100
MESSAGE_CHARS: Final = 300
NAME_CHARS: Final = 60
_QUIET: Final = frozenset({NodeStatus.NEVER_STARTED, NodeStatus.SUCCEEDED, NodeStatus.UNDONE})
"""What is left out first when there is no room for all nodes."""


@dataclass(slots=True, eq=False)
class Branch:
    """A node of the tree. `node` is None where nodes were left out, which `summary` tells."""

    node: NodeView | None
    children: list[Branch] = field(default_factory=list)
    summary: str = ""

    def span(self, now_ms: int) -> int | None:
        """Return how long the node ran so far; a subsaga, from its first node to its last."""
        if not self.children:
            return None if self.node is None else _took(self.node, now_ms)
        spans = [
            (each.started_ms, now_ms if each.ended_ms is None and each.running else each.ended_ms)
            for branch in self.walk()
            if (each := branch.node) is not None and each.started_ms is not None
        ]
        if not spans:
            return None
        ends = [end for _, end in spans if end is not None]
        return max(ends, default=now_ms) - min(begun for begun, _ in spans)

    def walk(self) -> Iterator[Branch]:
        """Yield this branch and all below."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def running(self) -> bool:
        """Whether something in it is running now."""
        return any(each.node is not None and each.node.running for each in self.walk())


def tree_lines(view: SagaView, look: Look) -> list[Text]:
    """Return the nodes of a saga as lines of a tree."""
    branches = grown(view.nodes)
    if look.rows is not None:
        branches = thinned(branches, look.rows, look)
    rows = list(_rows(branches, "", look))
    # The line that tells what was left out needs no columns.
    name_width = max(
        (cell_len(name.plain) for name, _, what in rows if what is not None), default=0
    )
    took_width = max((len(took) for _, took, _ in rows), default=0)
    if look.width is not None:
        name_width = min(name_width, max(look.width - took_width - 4, look.width // 2, 8))
    return [_line(row, (name_width, took_width), look) for row in rows]


def grown(nodes: Sequence[NodeView]) -> list[Branch]:
    """Return the nodes nested by their paths, each subsaga where its first node is."""
    top: list[Branch] = []
    by_path: dict[str, Branch] = {}
    for node in nodes:
        branch = by_path.get(node.path)
        if branch is None:
            branch = by_path[node.path] = Branch(node)
            _hang(branch, node.path, top, by_path)
        else:
            branch.node = node
    return top


def _hang(branch: Branch, path: str, top: list[Branch], by_path: dict[str, Branch]) -> None:
    while "/" in path:  # a loop and not recursion: paths can be deep
        path = path.rpartition("/")[0]
        above = by_path.get(path)
        if above is not None:
            above.children.append(branch)
            return
        above = by_path[path] = Branch(None)
        above.children.append(branch)
        branch = above
    top.append(branch)


def thinned(branches: list[Branch], room: int, look: Look) -> list[Branch]:
    """Leave out nodes of which there is least to tell, until `room` lines are enough."""
    total = sum(1 for branch in branches for _ in branch.walk())
    return branches if total <= room else _thin(branches, max(room, 3), look)


def _thin(branches: list[Branch], room: int, look: Look) -> list[Branch]:
    kept = branches
    left_out: list[Branch] = []
    if len(branches) > room:
        # What runs or went wrong comes first; then the beginning, as far as there is room.
        loud = [any(_is_loud(inner) for inner in each.walk()) for each in branches]
        by_weight = sorted(range(len(branches)), key=lambda index: not loud[index])
        kept = [branches[index] for index in sorted(by_weight[: room - 1])]
        left_out = [branches[index] for index in sorted(by_weight[room - 1 :])]
    share = max(3, room // max(1, sum(1 for each in kept if each.children)))
    shown = [
        Branch(each.node, _thin(each.children, share, look))
        if sum(1 for _ in each.walk()) > share
        else each
        for each in kept
    ]
    if left_out:
        shown.append(Branch(None, summary=_told(left_out, look)))
    return shown


def _is_loud(branch: Branch) -> bool:
    node = branch.node
    return node is not None and (node.running or node.status not in _QUIET)


def _told(branches: list[Branch], look: Look) -> str:
    nodes = [each.node for branch in branches for each in branch.walk() if each.node is not None]
    counts = Counter(
        "running" if node.running else node.status.value.replace("_", " ") for node in nodes
    )
    told = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
    return f"{look.more} {len(nodes):,} more: {told}"


def _rows(branches: list[Branch], prefix: str, look: Look) -> Iterator[Row]:
    branch_guide, last_guide, trunk, nothing = look.guides
    for index, branch in enumerate(branches):
        last = index == len(branches) - 1
        name = Text(prefix + (last_guide if last else branch_guide), style="dim")
        if branch.node is None:
            name.append(branch.summary)
            yield name, "", None
            continue
        sign = _sign(branch)
        drawn = look.spinner if branch.running else look.sign(sign)
        name.append(f"{drawn} ", style=f"not dim {sign.style}")
        name.append(cut(safe(branch.node.name), NAME_CHARS), style="not dim bold")
        span = branch.span(look.now_ms)
        took = "" if span is None or branch.node.kind is NodeKind.CONSTANT else duration(span)
        yield name, took, _what(branch, look)
        yield from _rows(branch.children, prefix + (nothing if last else trunk), look)


def _sign(branch: Branch) -> Sign:
    """Return the sign of a node; that of a subsaga tells how its inside is."""
    node = branch.node
    assert node is not None
    if not branch.children:
        if node.retry_at_ms is not None:
            return RETRIED
        begun = node.status in (NodeStatus.STARTED, NodeStatus.UNDO_STARTED)
        return INTERRUPTED if begun and not node.running else NODE_SIGNS[node.status]
    inside = {each.node.status for each in branch.walk() if each.node and not each.children}
    return SUBSAGA_SIGNS[_status_of_subsaga(node.status, inside)]


def _status_of_subsaga(own: NodeStatus, inside: set[NodeStatus]) -> NodeStatus:
    for status in (NodeStatus.UNDO_FAILED, NodeStatus.UNDO_STARTED):
        if status in inside:
            return status
    if own is NodeStatus.SUCCEEDED:
        return own
    if NodeStatus.STARTED in inside:
        return NodeStatus.STARTED
    if inside & {NodeStatus.FAILED, NodeStatus.UNKNOWN}:
        return NodeStatus.FAILED
    if NodeStatus.UNDONE in inside | {own}:
        return NodeStatus.UNDONE
    return NodeStatus.STARTED if NodeStatus.SUCCEEDED in inside else own


def _what(branch: Branch, look: Look) -> Text:
    node = branch.node
    assert node is not None
    sign = _sign(branch)
    parts: list[tuple[str, str]] = []
    if sign.word:
        parts.append((_worded(node, sign.word, look.now_ms), sign.style))
    if node.attempt > 1:
        parts.append((f"attempt {node.attempt}", "yellow"))
    if node.undo_attempt > 1:
        parts.append((f"undo attempt {node.undo_attempt}", "yellow"))
    if node.retry_at_ms is not None:
        left_ms = node.retry_at_ms - look.now_ms
        parts.append((f"again in {duration(left_ms)}" if left_ms > 0 else "again now", "yellow"))
    if node.waits_for:
        parts.append((cut(safe(f"waits for {node.waits_for}"), MESSAGE_CHARS), "yellow"))
    if node.running and node.heartbeat_ms is not None:
        detail = "" if node.heartbeat is None else shown_value(node.heartbeat, VALUE_CHARS)
        since = f"heartbeat {ago(look.now_ms - node.heartbeat_ms)}"
        parts.append((f"{since}: {detail}" if detail else since, "cyan"))
    parts += [
        (cut(safe(error.message or error.kind), MESSAGE_CHARS), "red")
        for error in (node.error, node.undo_error)
        if error is not None
    ]
    if node.label and node.label != node.name:
        parts.append((safe(cut(node.label, NAME_CHARS)), "dim italic"))
    if node.output is not None and node.status is NodeStatus.SUCCEEDED:
        parts.append((shown_value(node.output, VALUE_CHARS), "dim"))
    what = Text()
    for index, (part, style) in enumerate(parts):
        if index:
            what.append(" · " if look.unicode else ", ", style="dim")
        what.append(part, style=style)
    return what


def _worded(node: NodeView, word: str, now_ms: int) -> str:
    """Say how long an undo takes or took: the time of the do has its own column."""
    if node.undo_started_ms is None:
        return word
    if node.status is NodeStatus.UNDO_STARTED and node.running:
        return f"{word} {duration(now_ms - node.undo_started_ms)}"
    if node.status is NodeStatus.UNDONE and node.undo_ended_ms is not None:
        return f"{word} in {duration(node.undo_ended_ms - node.undo_started_ms)}"
    return word


def _took(node: NodeView, now_ms: int) -> int | None:
    if node.started_ms is None:
        return None
    if node.ended_ms is not None:
        return node.ended_ms - node.started_ms
    return now_ms - node.started_ms if node.running else None


def _line(row: Row, widths: tuple[int, int], look: Look) -> Text:
    name, took, what = row
    name_width, took_width = widths
    line = name.copy()
    if look.width is not None and what is not None and cell_len(line.plain) > name_width:
        line.truncate(name_width, overflow="ellipsis")
    if what is not None:
        line.append(" " * (name_width - cell_len(line.plain)))
        line.append(f"  {took:>{took_width}}  ", style="dim")
        line.append_text(what)
        line.rstrip()
    if look.width is not None:
        line.truncate(look.width, overflow="ellipsis")
    return line
