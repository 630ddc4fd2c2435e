"""Tracing: a saga function is run once, and each `.node(...)` in it becomes a node.

The trace grows a `DagDraft` and takes mistakes down instead of stopping at them.
Edges come from the references in the arguments and from `after=`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagacity.authoring.annotations import admits_none, in_words
from sagacity.authoring.arguments import Binder
from sagacity.authoring.calls import read_call
from sagacity.authoring.mistakes import Mistakes
from sagacity.authoring.node_options import NodeOptions
from sagacity.authoring.parents import ParentSets
from sagacity.authoring.references import Facts, Reference, Tracing, facts_of
from sagacity.core.bindings import Const, OutputOf, ParamsOf
from sagacity.core.dag import OnStuck, Siblings
from sagacity.core.dag_mistakes import MAX_NODES
from sagacity.core.draft import DagDraft
from sagacity.core.nodes import Node, NodeKind
from sagacity.core.paths import MAX_NAME_CHARS, breaks_lines
from sagacity.errors import DagError, TraceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.authoring.annotations import Names
    from sagacity.authoring.given import GivenParams
    from sagacity.authoring.signatures import Parameter, Typed
    from sagacity.authoring.typed_action import TypedAction
    from sagacity.core.bindings import Binding
    from sagacity.core.dag import Dag
    from sagacity.core.values import Json


_DEFAULT_OPTIONS: Final = NodeOptions()
_NO_NODES: Final = "it has no nodes: its function calls no .node(...)"
_NO_NODES_NOW: Final = (
    "it has no nodes for these params: its function calls no .node(...) with them; "
    "do not run it with such params, or let it have a node that does nothing"
)


class Trace:
    """One run of a saga function."""

    def __init__(self, saga_name: str, names: Names, given: GivenParams | None = None) -> None:
        """Begin with nothing; `names` are those that annotations may use.

        `given` are the real params, if the saga is dynamic.
        """
        self.mistakes: Final = Mistakes(saga_name)
        self.actions: Final[dict[str, TypedAction]] = {}
        self._tracing: Final = Tracing(saga_name, self.mistakes, names)
        self._draft: Final = DagDraft()
        self._names: Final[set[str]] = set()
        self._given: Final = given
        self._constants: Final[dict[Json, Const]] = {}
        self._parents: Final = ParentSets(self._draft)
        self._doubtful: Final[list[tuple[int, str, TypedAction]]] = []
        """Nodes that can only stand where nothing is undone: told, and perhaps forgiven."""

    def params(self, type_: Any, name: str) -> Reference:
        """Return the reference to the saga's params."""
        return Reference(Facts(self._tracing, ParamsOf(-1), type_, name))

    def add_action(
        self,
        action: TypedAction,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        chosen: NodeOptions = _DEFAULT_OPTIONS,
    ) -> Reference:
        """Add a node that runs `action`; return the reference to its output."""
        name = self._take_name(chosen.node, action.name)
        self._check_action(action, name)
        self.mistakes.add_flaws(action.undo_flaws, node=name)
        inputs: dict[str, Binding] = {}
        groups = [self._after(chosen.after, name)]
        bound, flaws = read_call(action.name, action.signature.parameters, args, kwargs)
        self.mistakes.add_flaws(flaws, node=name)
        for parameter, argument in bound.items():
            binder = self._binder(name, parameter)
            wanted = action.signature.parameters[parameter].value
            inputs[parameter] = binder.bind(argument, wanted)
            groups.append(list(binder.used))
        node = Node(
            NodeKind.ACTION,
            name,
            (action.label or action.name) if chosen.label is None else chosen.label,
            action=action.name,
            version=action.version,
            atomic=action.atomic,
            undoing=action.undoing,
            retry=chosen.retry,
            timeout=chosen.timeout,
            inputs=inputs,
        )
        index = self._draft.add(node, self._parents.of(groups))
        if action.undo_flaws:
            self._doubtful.append((index, name, action))
        return self._output(index, action.signature.result.type, name)

    def add_inner_action(self, action: TypedAction) -> None:
        """Count an action of a subsaga among the saga's own."""
        known = self.actions.setdefault(action.name, action)
        if known is not action:
            self.mistakes.add(
                f'a subsaga has another action called "{action.name}"; '
                "give one of them another name="
            )

    def add_subsaga(
        self,
        dag: Dag,
        params: Any,
        wanted: Parameter | None,
        result: Any,
        chosen: NodeOptions,
    ) -> Reference:
        """Put `dag` in as a subsaga; `wanted` is its parameter, if it has one."""
        name = self._take_name(chosen.node, dag.name)
        groups = [self._after(chosen.after, name)]
        binding: Binding | None = None
        if wanted is not None:
            binder = self._binder(name, wanted.name)
            binding = binder.bind(params, wanted.value)
            groups.append(list(binder.used))
        elif params is not None:
            self.mistakes.add("the subsaga takes no params", node=name)
        self._check_room(len(dag.nodes))
        _, end = self._draft.add_subsaga(name, dag, binding, self._parents.of(groups))
        return self._output(end, result, name)

    def add_broken(self, name: str, error: DagError) -> Reference:
        """Tell the mistakes of a subsaga with this one's; return a reference to anything."""
        for text in error.mistakes:
            self.mistakes.add(f"subsaga: {text}")
        return Reference(Facts(self._tracing, ParamsOf(-1), Any, name))

    def finish(
        self,
        output: Any,
        wanted: Typed,
        *,
        version: str,
        siblings: Siblings,
        on_stuck: OnStuck,
        dynamic: bool,
        forward_only: bool,
        deadline: float | None,
    ) -> Dag:
        """Return the DAG that was traced; `output` is what the saga function returned.

        Raises:
            DagError: with all mistakes.
        """
        if not self._draft.nodes:
            self.mistakes.add(_NO_NODES_NOW if dynamic else _NO_NODES)
        binding = self._bind_output(output, wanted)
        self._forgive_undos(forward_only=forward_only)
        self._close()
        dag: Dag | None = None
        if not self.mistakes:
            try:
                dag = self._draft.finish(
                    self._tracing.saga_name,
                    version=version,
                    output=binding,
                    siblings=siblings,
                    on_stuck=on_stuck,
                    dynamic=dynamic,
                    forward_only=forward_only,
                    deadline=deadline,
                )
            except DagError as error:
                self.mistakes.add_all_of(error)
        if dag is None:
            raise self.mistakes.error()
        return dag

    def _forgive_undos(self, *, forward_only: bool) -> None:
        """Keep of what cannot be taken back only what may have to be; each action once."""
        behind = self._draft.behind_pivots() if self._doubtful else ()
        told: set[str] = set()
        for index, name, action in self._doubtful:
            if forward_only or index in behind or action.name in told:
                self.mistakes.retract_flaws(action.undo_flaws, node=name)
            else:
                told.add(action.name)

    def broken_by(self, mistake: str, kind: type[DagError] = DagError) -> DagError:
        """Return the error of a run that ended early, with all mistakes until then."""
        self.mistakes.add(mistake)
        self._forgive_undos(forward_only=False)
        self._close()
        return self.mistakes.error(kind)

    def _close(self) -> None:
        # The references of this run mean nothing from now on.
        self._tracing.over = True
        for text in self._tracing.unused_mistakes:
            self.mistakes.add(text)

    # -- parts of a node -----------------------------------------------------

    def _take_name(self, chosen: str | None, default: str) -> str:
        name = default if chosen is None else chosen
        self._check_room(1)
        if not 1 <= len(name) <= MAX_NAME_CHARS or breaks_lines(name):
            self.mistakes.add(
                f"{name!r:.60} is no name of a node: 1 to {MAX_NAME_CHARS} characters, without "
                "control characters and line breaks",
                node=default[:MAX_NAME_CHARS],
            )
            return default
        if name in self._names:
            self.mistakes.add(
                'the name is used more than once; choose one with .options(node="...")', node=name
            )
        self._names.add(name)
        return name

    def _check_room(self, more: int) -> None:
        # A saga function that makes nodes for ever must end before the memory does.
        if len(self._draft.nodes) + more > MAX_NODES:
            raise TraceError(f"a saga has at most {MAX_NODES:,} nodes")

    def _check_action(self, action: TypedAction, node: str) -> None:
        known = self.actions.get(action.name)
        if known is action:
            return
        if known is not None:
            self.mistakes.add(
                f'there is another action called "{action.name}"; give one of them another name=',
                node=node,
            )
        self.actions[action.name] = action
        self.mistakes.add_flaws(action.flaws, node=node)

    def _after(self, references: Sequence[object], node: str) -> list[int]:
        before: dict[int, None] = {}
        for each in references:
            if not isinstance(each, Reference):
                self.mistakes.add(f"after= takes references to nodes, not {each!r:.60}", node=node)
                continue
            facts = facts_of(each)
            if facts.tracing is not self._tracing:
                self.mistakes.add(
                    f'after= names {facts.text} of saga "{facts.tracing.saga_name}", '
                    "which is not in this one",
                    node=node,
                )
            elif facts.node is None:
                self.mistakes.add(f"after= names {facts.text}, which is no node", node=node)
            else:
                before[facts.node] = None
        return list(before)

    def _binder(self, node: str = "", parameter: str = "", subject: str = "") -> Binder:
        return Binder(
            self._tracing, self._constant, self._stand_in, node, parameter, subject=subject
        )

    def _stand_in(self, value: Any) -> Any:
        given = self._given
        if given is not None and given.are(value):
            return self.params(given.typed.type, given.name)
        return value

    def _constant(self, value: Json) -> Const:
        if self._given is not None:
            # One each, in order: which values are equal must not change the definition's
            # shape, or sagas of one shape would not share it.
            return self._draft.constant(value)
        known = self._constants.get(value)
        if known is None:
            known = self._constants[value] = self._draft.constant(value)
        return known

    def _output(self, node: int, type_: Any, name: str) -> Reference:
        return Reference(Facts(self._tracing, OutputOf(node), type_, name))

    def _bind_output(self, output: Any, wanted: Typed) -> Binding | None:
        if output is None and (not wanted.is_stated or admits_none(wanted.type)):
            return None
        if output is None:
            self.mistakes.add(
                f"its function returns nothing, but says that it gives {in_words(wanted.type)}; "
                "return the reference that is the output"
            )
            return None
        return self._binder(subject="its output: ").bind(output, wanted)
