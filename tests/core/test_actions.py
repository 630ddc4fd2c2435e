from typing import Any

import pytest

from sagacity.core.actions import ActionFunc, ActionRegistry, is_async
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Dag
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.paths import MAX_NAME_CHARS
from sagacity.errors import DagError, ValueNotStorable
from tests.engine.world import PlainAction
from tests.recovery.shapes import staged


async def do(_ctx: Any) -> None:
    """Do nothing."""


async def undo(_ctx: Any) -> None:
    """Take nothing back."""


def sync(_ctx: Any) -> None:
    """Do nothing, blocking."""


class Callee:
    async def __call__(self, _ctx: Any) -> None:
        """Do nothing."""


def one_node(action: Any) -> Dag:
    return staged("s", [NodeFactory.action("n", "", action)])


def test_an_action_of_the_lower_layer_has_stenos_contract() -> None:
    """Atomic; with an undo that needs the output, or with nothing to take back."""
    with_undo, without = ActionFunc("a", do, undo), ActionFunc("a", do)
    assert (with_undo.atomic, with_undo.undoing) == (True, Undoing.KNOWN)
    assert (without.atomic, without.undoing) == (True, Undoing.NOTHING)


@pytest.mark.parametrize(("function", "blocks"), [(do, False), (sync, True), (Callee(), False)])
def test_plain_functions_block(function: Any, blocks: bool) -> None:
    """They are for worker threads; coroutine functions and async callables are not."""
    action = ActionFunc("a", function, function)
    assert (action.do_blocks, action.undo_blocks) == (blocks, blocks)
    assert is_async(function) is not blocks


async def test_an_undo_that_was_not_given_does_nothing() -> None:
    """A node that knows its action by name alone may call it."""
    action = ActionFunc("a", do)
    assert action.undo is not None
    assert await action.undo(None) is None
    assert not action.undo_blocks


def test_an_action_of_the_lower_layer_takes_and_gives_plain_json() -> None:
    """Bound inputs by name; the undo looks things up; the result must be JSON."""
    action = ActionFunc("a", do, undo)
    assert action.do_arguments({}) == {}
    assert action.do_arguments({"x": b'{"a":1}'}) == {"x": {"a": 1}}
    assert action.undo_arguments({"x": b"1"}, b"2") == ()
    assert action.encode_output({"b": 1, "a": (2,)}) == b'{"a":[2],"b":1}'
    with pytest.raises(ValueNotStorable):
        action.encode_output(object())


def test_actions_are_found_by_name() -> None:
    """The registry holds, and never calls."""
    registry = ActionRegistry()
    assert len(registry) == 0
    action = ActionFunc("a", do)
    registry.register(action)
    registry.register(action)
    registry.register(ActionFunc("a", do))  # equal: it is the same one
    assert registry.get("a") is action
    assert registry.get("b") is None
    assert list(registry) == [action]


def test_two_actions_of_one_name_are_an_error() -> None:
    """Which would a stored saga mean?"""
    registry = ActionRegistry()
    registry.register(ActionFunc("a", do))
    with pytest.raises(DagError, match='two actions are called "a"'):
        registry.register(ActionFunc("a", do, undo))
    found = registry.get("a")
    assert found is not None
    assert found.undoing is Undoing.NOTHING


@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME_CHARS + 1)])
def test_a_name_has_bounds(name: str) -> None:
    """From 1 character to the limit."""
    with pytest.raises(DagError, match="is no action name"):
        ActionRegistry().register(ActionFunc(name, do))


def test_the_longest_name_is_one() -> None:
    """The limit itself is allowed."""
    ActionRegistry().register(ActionFunc("x" * MAX_NAME_CHARS, do))


def missing(dag: Dag, *actions: ActionFunc) -> list[str]:
    registry = ActionRegistry()
    for action in actions:
        registry.register(action)
    return registry.missing_for(dag)


def test_nothing_is_missing_for_what_is_registered() -> None:
    """By object or by name, with or without an undo; constants and markers need no code."""
    action = ActionFunc("a", do, undo)
    assert missing(one_node(action), action) == []
    assert missing(one_node("a"), action) == []
    assert missing(one_node("a"), ActionFunc("a", do)) == []
    assert missing(staged("s", [NodeFactory.constant("c", 1)])) == []


def test_what_is_missing_is_said_once_for_each_action() -> None:
    """However many nodes use it."""
    dag = staged(
        "s",
        [NodeFactory.action("x", "", "a"), NodeFactory.action("y", "", "a")],
        [NodeFactory.action("z", "", "b")],
    )
    assert missing(dag) == ['no action "a" is registered', 'no action "b" is registered']


def test_another_version_is_not_the_action() -> None:
    """A stored node runs only with the version that it was made with."""
    dag = one_node(ActionFunc("a", do, version="1"))
    assert missing(dag, ActionFunc("a", do, version="2")) == [
        'action "a" is here in version 2, the saga needs version 1'
    ]


def test_a_node_without_an_action_is_never_run() -> None:
    """A damaged definition is reported, not stumbled over."""
    dag = Dag("s", (Node(NodeKind.ACTION, "n"),), ())
    assert missing(dag) == ['no action "" is registered']


def test_an_undo_that_the_code_has_no_more_is_missing() -> None:
    """What the node promised to take back could not be."""
    registry = ActionRegistry()
    registry.register(PlainAction("a", do, undoing=Undoing.NOTHING))
    assert registry.missing_for(one_node(ActionFunc("a", do, undo))) == [
        'action "a" has no undo any more'
    ]
