import types
from collections.abc import Callable
from typing import Any

from sagacity.authoring import Context, action, saga
from tests.authoring.driving import mistakes_in, run


@action(read_only=True)
async def direct(ctx: Context, value: Any = None) -> Any:
    return value


@action(read_only=True)
async def in_dict(ctx: Context) -> None: ...


@action(read_only=True)
async def in_helper(ctx: Context) -> None: ...


@action(read_only=True)
async def in_module(ctx: Context) -> None: ...


@action(read_only=True)
async def in_class(ctx: Context) -> None: ...


@action(read_only=True)
async def in_options(ctx: Context) -> None: ...


@action(read_only=True)
async def in_subsaga(ctx: Context) -> None: ...


@action(read_only=True)
async def unrelated(ctx: Context) -> None: ...


BY_NAME = {"x": in_dict}
module = types.ModuleType("module")
vars(module)["act"] = in_module
prepared = in_options.options(label="prepared")


class Namespace:
    act = in_class


def helper() -> None:
    in_helper.node()


@saga(name="sub")
def subsaga() -> None:
    in_subsaga.node()


prepared_subsaga = subsaga.options(node="more")


def names_of(declared: Any) -> set[str]:
    return {each.name for each in declared.actions}


def test_actions_are_found_in_the_code() -> None:
    """As globals, captured variables, members, attributes, in helpers and in subsagas."""

    @action(read_only=True)
    async def captured(ctx: Context) -> None: ...

    later: Callable[[], None]

    @saga(dynamic=True)
    def s(n: int) -> None:
        [direct.options(node=f"n{each}").node(each) for each in range(n)]
        captured.node()
        BY_NAME["x"].node()
        helper()
        module.act.node()
        Namespace.act.node()
        prepared.node()
        prepared_subsaga.node()
        later()

    assert names_of(s) == {
        "direct",
        "captured",
        "in_dict",
        "in_helper",
        "in_module",
        "in_class",
        "in_options",
        "in_subsaga",
    }

    later = print

    s.dag_for(2)


def test_actions_can_be_listed() -> None:
    """What cannot be seen from the code is listed; then nothing is looked for."""

    @saga(dynamic=True, actions=[in_helper, subsaga])
    def s() -> None:
        globals()["in_helper"].node()

    assert names_of(s) == {"in_helper", "in_subsaga"}
    assert run(s, None) is None


def test_an_action_that_could_not_be_found_again_is_a_mistake() -> None:
    """A coordinator that takes the saga over must know its actions before it is traced again."""

    @saga(dynamic=True)
    def s() -> None:
        globals()["in_" + "helper"].node()

    (mistake,) = mistakes_in(lambda: s.dag_for(None))
    assert mistake.startswith('saga "s": action "in_helper" cannot be found from its function')
    assert "@saga(dynamic=True, actions=[...])" in mistake


def test_sagas_that_lead_to_each_other_have_an_end() -> None:
    """Two dynamic sagas may use each other."""

    @saga(dynamic=True)
    def ping(n: int) -> Any:
        return pong.node(n - 1) if n else direct.node(n)

    @saga(dynamic=True)
    def pong(n: int) -> Any:
        return ping.node(n - 1) if n else in_helper.node()

    assert names_of(ping) == names_of(pong) == {"direct", "in_helper"}
    assert run(ping, 2) == 0
