"""Users' code: from `MODULE` or `MODULE:SAGA` to sagas and the actions that they need.

The working directory is looked in first, as `python -m` does. Whatever goes wrong
in the user's module is one clear error with the place in it.
"""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard, cast

import click

from sagacity.authoring import Saga
from sagacity.core.actions import ActionFunc, ActionRegistry
from sagacity.core.dag import Dag
from sagacity.errors import DagError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from sagacity.core.actions import Action
    from sagacity.engine.registering import Runnable

_OURS: Final = f"{Path(__file__).parents[1]}{os.sep}"

Target: TypeAlias = "Saga[Any, Any] | Dag"


@dataclass(frozen=True, slots=True)
class Code:
    """What modules have: each of their sagas once, and all actions; `left_out`: mistakes."""

    sagas: Sequence[Target]
    registry: ActionRegistry
    left_out: Sequence[str] = ()

    @property
    def runnables(self) -> list[Runnable]:
        """What a coordinator is given to run it: with the sagas it knows their limits."""
        return [*(each for each in self.sagas if isinstance(each, Saga)), *self.registry]


def load_module(name: str) -> ModuleType:
    """Import the module `name`.

    Raises:
        click.ClickException: it cannot be imported; the text says why and where. Or there is
            no working directory.
        DagError: one of its sagas has mistakes.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 - sys.path takes text
    except FileNotFoundError as error:
        raise click.ClickException(
            "the working directory, where modules are looked for first, was removed: "
            "change to one that exists"
        ) from error
    if here not in sys.path:
        sys.path.insert(0, here)
    _check_name(name)
    try:
        return import_module(name)
    except DagError:
        raise
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and (name == missing or name.startswith(f"{missing}.")):
            raise click.ClickException(
                f"there is no module {name!r} (looked in {here} and in Python's path)"
            ) from error
        raise click.ClickException(
            f"module {name!r} cannot be imported: {type(error).__name__}: {error}{_place(error)}"
        ) from error


def _check_name(name: str) -> None:
    """Refuse what is no name of a module, and say which one is meant."""
    module, colon, _ = name.partition(":")
    if not name:
        raise click.ClickException("a module has a name, like trips; an empty one was given")
    if module.endswith(".py") or "/" in module:
        kind = "file" if module.endswith(".py") else "directory"
        raise click.ClickException(
            f"{module!r} is a {kind}; give the name of the module: {_name_for(Path(module))}"
        )
    if colon:
        raise click.ClickException(
            f"{name!r:.100}: only the module is given here, with all its sagas: {module}"
        )


def _name_for(path: Path) -> str:
    """Return the name that the module at `path` is imported by, and from where if not from here."""
    path = path.with_suffix("")
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if all(part.isidentifier() for part in path.parts):
        return ".".join(path.parts)
    return f"{path.name}, in its directory (cd {path.parent})"


def _place(error: BaseException) -> str:
    """Return where in the user's code it went wrong, even if that is found in ours."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and not frame.filename.startswith(_OURS)
    ]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def code_of(modules: Iterable[ModuleType]) -> Code:
    """Return the sagas and actions of `modules`.

    Raises:
        DagError: two different actions have one name.
    """
    values = [value for module in modules for value in _values(module).values()]
    registry = ActionRegistry()
    for value in values:
        for action in _actions_of(value):
            registry.register(action)
    sagas = {id(value): value for value in values if is_saga(value)}
    return Code(list(sagas.values()), registry)


def code_for(saga: Target, module: ModuleType, *, transactions: bool) -> Code:
    """Return `saga`, its actions, and those of `module` that nothing is wrong with.

    The others are for a run that goes on: it may have begun when the saga had more of them.
    Without `transactions` they are without those that need one.

    Raises:
        DagError: two different actions, of which the saga needs one, have one name.
    """
    own = list(saga.actions) if isinstance(saga, Saga) else []
    others = [action for value in _values(module).values() for action in _actions_of(value)]
    tried = ActionRegistry()
    doubtful: dict[str, DagError] = {}
    for action in others:
        try:
            tried.register(action)
        except DagError as error:
            doubtful[action.name] = error
    if not isinstance(saga, Saga):
        for node in saga.nodes:
            if node.action in doubtful:
                raise doubtful[node.action]
    registry = ActionRegistry()
    for action in own:
        registry.register(action)
    for action in others:
        if action.name not in doubtful and (transactions or not action.transaction):
            registry.register(action)
    left_out = [mistake for error in doubtful.values() for mistake in error.mistakes]
    return Code([saga], registry, left_out)


def has_code(module: ModuleType) -> bool:
    """Whether `module` has sagas, or actions for DAGs that are built elsewhere."""
    return any(is_saga(value) or any(_actions_of(value)) for value in _values(module).values())


def is_saga(value: object) -> TypeGuard[Target]:
    """Whether `value` can be run."""
    return isinstance(value, Saga | Dag)


def _values(module: ModuleType) -> Mapping[str, Any]:
    return vars(module)


def _actions_of(value: Any) -> Iterable[Action]:
    if isinstance(value, Saga):
        return value.actions
    if isinstance(value, ActionRegistry):
        return value
    return (value,) if isinstance(value, ActionFunc) else ()


def load_saga(target: str) -> tuple[Target, ModuleType]:
    """Return the saga that `MODULE:SAGA` names, by variable or by its durable name, and the module.

    Raises:
        click.ClickException: there is no such module or saga; those found are listed.
    """
    module_name, colon, saga_name = target.partition(":")
    if not colon or not module_name or not saga_name:
        raise click.ClickException(f"{target!r:.100} is not MODULE:SAGA, like trips:book_trip")
    module = load_module(module_name)
    sagas = {name: value for name, value in _values(module).items() if is_saga(value)}
    found = sagas.get(saga_name)
    if found is None:
        found = next((each for each in sagas.values() if each.name == saga_name), None)
    if found is None:
        known = ", ".join(sorted(sagas)) or "no saga at all"
        raise click.ClickException(
            f"module {module_name!r} has no saga {saga_name!r:.80}; it has {known}"
        )
    return found, module


@asynccontextmanager
async def made_deps(target: str | None) -> AsyncGenerator[Any]:
    """Give what `--deps MODULE:NAME` names: an object, or what a function makes.

    Raises:
        click.ClickException: there is no such thing.
    """
    if target is None:
        yield None
        return
    module_name, colon, name = target.partition(":")
    if not colon or not module_name or not name:
        raise click.ClickException(
            f"--deps {target!r:.100} is not MODULE:NAME, like trips:make_deps"
        )
    module = load_module(module_name)
    if not hasattr(module, name):
        raise click.ClickException(f"--deps {target}: module {module_name!r} has no {name!r:.80}")
    deps: Any = getattr(module, name)
    if isinstance(deps, type) or inspect.isroutine(deps):
        deps = deps()
    if inspect.isawaitable(deps):
        deps = await deps
    if isinstance(deps, AbstractAsyncContextManager):
        async with cast("AbstractAsyncContextManager[Any]", deps) as entered:
            yield entered
    else:
        yield deps
