"""DAGs and actions from a spec, as the vectors describe how theirs were built.

The actions are plain `ActionFunc`s that need no engine: `driver` runs them by hand, and
the engine can run them as they are. Each call is noted, as Steno's vectors have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sagacity.core.actions import ActionFunc, ActionRegistry
from sagacity.core.builder import DagBuilder, NodeFactory, NodeSpec
from sagacity.core.dag import Dag
from sagacity.errors import ActionFailed

Spec = dict[str, Any]
Call = tuple[str, str, Any]
"""`("do", node name, label)`, or `("undo", node name, the `v` of its own output)`."""


def build(spec: Spec, *, on_stuck: str = "halt") -> Dag:
    """Return the DAG that a spec describes.

    Raises:
        DagError: the spec has mistakes, as some vectors want it.
    """
    builder = DagBuilder(spec["saga_name"], on_stuck=on_stuck)
    for stage in spec["stages"]:
        builder.append_parallel([_node(node) for node in stage])
    return builder.build()


def _node(node: Spec) -> NodeSpec:
    match node["kind"]:
        case "action":
            return NodeFactory.action(node["name"], node["label"], node["action"])
        case "constant":
            return NodeFactory.constant(node["name"], node["value"])
        case _:
            return NodeFactory.subsaga(node["name"], build(node["dag"]), node["params_node"])


def actions(spec: Spec) -> Iterator[Spec]:
    """Yield the action nodes of a spec, those of subsagas too."""
    for stage in spec["stages"]:
        for node in stage:
            if node["kind"] == "action":
                yield node
            elif node["kind"] == "subsaga":
                yield from actions(node["dag"])


def registry(spec: Spec, calls: list[Call]) -> ActionRegistry:
    """Return the actions of a spec; each call of them is appended to `calls`."""
    registered = ActionRegistry()
    for node in actions(spec):
        registered.register(action(node, calls))
    return registered


def action(node: Spec, calls: list[Call]) -> ActionFunc:
    """Return the action of a node.

    Its output is `{"n": name, "v": 1 + what it depends on}`, or `output` if the spec has it.
    """

    async def do(ctx: Any) -> Any:
        calls.append(("do", ctx.node_name, ctx.node_label))
        fail = node.get("fail", {})
        if "action_failed" in fail:
            raise ActionFailed("no capacity", fail["action_failed"])
        if "bad_lookup" in fail:
            ctx.lookup(fail["bad_lookup"], list[Any])
        if "output" in node:
            return node["output"]
        total = 1 + sum(weight(ctx.lookup(name, Any)) for name in node.get("deps", ()))
        if node.get("use_params"):
            total += weight(ctx.params(Any))
        return {"n": node["name"], "v": total}

    async def undo(ctx: Any) -> None:
        calls.append(("undo", ctx.node_name, weight(ctx.lookup(ctx.node_name, Any))))

    return ActionFunc(node["action"], do, undo)


def weight(value: Any) -> Any:
    """Return what a value counts in a sum: its `v`, itself if it is a number, or else 0."""
    match value:
        case {"v": inner}:
            return inner
        case bool():
            return 0
        case int() | float():
            return value
        case _:
            return 0


def action_node(name: str, *deps: str, **more: Any) -> Spec:
    """Return the spec of an action node."""
    return {
        "kind": "action", "name": name, "label": f"Do{name.capitalize()}", "action": f"do_{name}",
        "deps": list(deps), **more,
    }  # fmt: skip


def _provision(name: str, label: str, registered_as: str, output: Any) -> Spec:
    return {
        "kind": "action", "name": name, "label": label, "action": registered_as, "output": output,
    }  # fmt: skip


PROVISION: Final[Spec] = {
    "saga_name": "DemoVmProvision",
    "stages": [
        [_provision("instance_id", "InstanceCreate", "instance_create", 1211)],
        [{"kind": "constant", "name": "server_alloc_params", "value": {"number_of_things": 1}}],
        [
            _provision("instance_ip", "VpcAllocIp", "vpc_alloc_ip", "10.120.121.122"),
            _provision("volume_id", "VolumeCreate", "volume_create", 1213),
            {
                "kind": "subsaga",
                "name": "server_alloc",
                "params_node": "server_alloc_params",
                "dag": {
                    "saga_name": "server-alloc",
                    "stages": [
                        [_provision("server_id", "ServerPick", "server_pick", 1212)],
                        [
                            _provision(
                                "server_reserve",
                                "ServerReserve",
                                "server_reserve",
                                {"server_id": 1212},
                            )
                        ],
                    ],
                },
            },
        ],
        [_provision("instance_configure", "InstanceConfigure", "instance_configure", None)],
        [_provision("volume_attach", "VolumeAttach", "volume_attach", None)],
        [_provision("instance_boot", "InstanceBoot", "instance_boot", None)],
        [_provision("print", "Print", "print", "it worked")],
    ],
}
"""Steno's own example; the vectors give its outputs, but not its code."""
