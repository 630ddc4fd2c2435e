"""DAGs built as data, after Steno: stages of nodes, inputs by look-up.

Each stage depends on the whole stage before it. A node sees the nodes of earlier
stages of its own (sub)saga by name. The saga and each subsaga end in exactly one
node, whose output is theirs. All mistakes are collected and reported by `build`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from sagacity.core.bindings import OutputOf
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.draft import DagDraft
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.paths import MAX_NAME_CHARS
from sagacity.core.values import NULL, encode
from sagacity.errors import DagError, ValueNotStorable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import StrEnum

    from sagacity.core.actions import Action

_Choice = TypeVar("_Choice", bound="StrEnum")


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to append; made by `Node.action`, `Node.constant` and `Node.subsaga`."""

    kind: NodeKind
    name: str
    label: str = ""
    action: Action | str = ""
    value: Any = None
    dag: Dag | None = None
    params_node: str = ""


class NodeFactory:
    """The kinds of node that a `DagBuilder` takes; public as `sagacity.Node`."""

    @staticmethod
    def action(name: str, label: str, action: Action | str) -> NodeSpec:
        """Run `action` (an object, or the name of an `ActionFunc`); its output is `name`."""
        return NodeSpec(NodeKind.ACTION, name, label, action=action)

    @staticmethod
    def constant(name: str, value: Any) -> NodeSpec:
        """Give `value` (JSON) under `name`."""
        return NodeSpec(NodeKind.CONSTANT, name, value=value)

    @staticmethod
    def subsaga(name: str, dag: Dag, params_node: str) -> NodeSpec:
        """Run `dag` as part of this saga; its params are the output of `params_node`."""
        return NodeSpec(NodeKind.SUBSAGA_END, name, dag=dag, params_node=params_node)


class DagBuilder:
    """Builds a `Dag` stage by stage."""

    def __init__(
        self,
        saga_name: str,
        *,
        version: str = "1",
        siblings: str = "finish",
        on_stuck: str = "continue",
        forward_only: bool = False,
        deadline: float | None = None,
    ) -> None:
        """Begin a saga; the options are as in `@saga`."""
        self._name: Final = saga_name
        self._version: Final = version
        self._mistakes: list[str] = []
        self._siblings = self._choice(Siblings, "siblings", siblings)
        self._on_stuck = self._choice(OnStuck, "on_stuck", on_stuck)
        self._forward_only: Final = forward_only
        self._deadline: Final = deadline
        self._draft = DagDraft()
        self._names: dict[str, int] = {}
        self._roots: list[int] = []
        self._last: list[int] = []

    def append(self, node: NodeSpec) -> None:
        """Add a stage of one node."""
        self.append_parallel([node])

    def append_parallel(self, nodes: Sequence[NodeSpec]) -> None:
        """Add a stage of nodes that may run at the same time."""
        if not nodes:
            self._mistakes.append("a parallel stage has no nodes")
            return
        before = self._last
        if len(before) > 1 and len(nodes) > 1:
            before = [self._draft.join(before)]
        # Apart until the stage is whole: its nodes do not depend on one another.
        stage: dict[str, int] = {}
        exits: list[int] = []
        for spec in cast("Sequence[object]", nodes):
            if not isinstance(spec, NodeSpec):
                self._mistakes.append(f"{spec!r:.60} is not a node: use Node.action and the like")
                continue
            if spec.name in self._names or spec.name in stage:
                self._mistakes.append(f'node "{spec.name}": the name is used more than once')
            entry, exit_ = self._add(spec, before)
            exits.append(exit_)
            stage[spec.name] = exit_
            if not before:
                self._roots.append(entry)
        self._names |= stage
        self._last = exits

    def build(self) -> Dag:
        """Return the finished DAG.

        Raises:
            DagError: with all mistakes.
        """
        mistakes = list(self._mistakes)
        if len(self._last) != 1:
            mistakes.append("the saga must end in exactly one node")
        if len(self._name) > MAX_NAME_CHARS:
            mistakes.append(f"the name of the saga is over {MAX_NAME_CHARS} characters")
        try:
            dag = self._finished(self._draft.copy())
        except DagError as error:
            mistakes += [each for each in error.mistakes if each not in mistakes]
        else:
            if not mistakes:
                return dag
        raise DagError(self._name, mistakes)

    def _finished(self, draft: DagDraft) -> Dag:
        # Steno's numbering: the start is second to last, the end last.
        start = draft.add(Node(NodeKind.START))
        for root in self._roots:
            draft.connect([start], root)
        draft.add(Node(NodeKind.END), self._last)
        return draft.finish(
            self._name,
            version=self._version,
            output=OutputOf(self._last[0]) if self._last else None,
            siblings=self._siblings,
            on_stuck=self._on_stuck,
            # Constants stand for inputs here (a subsaga's params are one): they differ
            # from saga to saga, and must not make each saga's definition a new one.
            dynamic=True,
            forward_only=self._forward_only,
            deadline=self._deadline,
        )

    def _add(self, spec: NodeSpec, before: Sequence[int]) -> tuple[int, int]:
        """Add one node or block; return where it begins and ends."""
        if spec.kind is NodeKind.SUBSAGA_END:
            return self._add_subsaga(spec, before)
        if spec.kind is NodeKind.CONSTANT:
            try:
                value = encode(spec.value)
            except ValueNotStorable as error:
                self._mistakes.append(f'constant "{spec.name}": {error}')
                value = NULL
            node = Node(
                NodeKind.CONSTANT, spec.name, atomic=True, value=self._draft.constant(value)
            )
        else:
            node = _action_node(spec)
        index = self._draft.add(node, before)
        return index, index

    def _add_subsaga(self, spec: NodeSpec, before: Sequence[int]) -> tuple[int, int]:
        source = self._names.get(spec.params_node)
        if source is None:
            self._mistakes.append(
                f'subsaga "{spec.name}": its params come from node "{spec.params_node}", '
                "but it does not depend on any such node"
            )
        params = None if source is None else OutputOf(source)
        dag = cast("object", spec.dag)
        if not isinstance(dag, Dag):
            self._mistakes.append(f'subsaga "{spec.name}": {dag!r:.60} is no Dag')
            dag = Dag(spec.name, (), ())
        return self._draft.add_subsaga(spec.name, dag, params, before)

    def _choice(self, choices: type[_Choice], what: str, value: str) -> _Choice:
        try:
            return choices(value)
        except ValueError:
            known = ", ".join(f'"{each}"' for each in choices)
            self._mistakes.append(f'{what}="{value}" is none of {known}')
            return next(iter(choices))


def _action_node(spec: NodeSpec) -> Node:
    if isinstance(spec.action, str):
        # By name alone nothing is known of the action: Steno's contract, with an undo.
        return Node(
            NodeKind.ACTION, spec.name, spec.label, action=spec.action, version="1",
            atomic=True, undoing=Undoing.KNOWN,
        )  # fmt: skip
    action = spec.action
    return Node(
        NodeKind.ACTION, spec.name, spec.label, action=action.name, version=action.version,
        atomic=action.atomic, undoing=action.undoing,
    )  # fmt: skip
