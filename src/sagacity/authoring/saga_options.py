"""What `@saga` says of a saga, and what can be wrong with that and with the function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sagacity.authoring.mistakes import Flaw
from sagacity.authoring.signatures import REQUIRED, Signature
from sagacity.core.dag import OnStuck, Siblings
from sagacity.core.paths import MAX_NAME_CHARS


@dataclass(frozen=True, slots=True)
class SagaOptions:
    """What `@saga` says of a saga."""

    name: str
    version: str
    siblings: str
    on_stuck: str
    dynamic: bool
    forward_only: bool
    deadline: float | None
    actions: tuple[object, ...] | None
    limit: int | None
    limit_key: str | None


def is_plain(function: Callable[..., Any]) -> bool:
    """Whether calling `function` runs it, which tracing needs."""
    return not (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    )


def saga_flaws(
    function: Callable[..., Any], options: SagaOptions, signature: Signature
) -> list[Flaw]:
    """Return what is wrong with a saga before it is traced."""
    flaws: list[Flaw] = []
    if inspect.iscoroutinefunction(function):
        flaws.append(Flaw("its function is async: it is run once to be traced; make it a def"))
    if len(signature.parameters) > 1:
        names = ", ".join(signature.parameters)
        flaws.append(
            Flaw(f"its function has parameters {names}; it takes one, or none: make them a record")
        )
    for parameter in signature.parameters.values():
        if parameter.keyword_only:
            flaws.append(Flaw("it is keyword-only; params are given by position", parameter.name))
        if parameter.default is not REQUIRED:
            flaws.append(Flaw("params have no default; give them at each create", parameter.name))
    if not 1 <= len(options.name) <= MAX_NAME_CHARS:
        flaws.append(Flaw(f"a saga's name has 1 to {MAX_NAME_CHARS} characters"))
    for what, said, choices in (
        ("siblings", options.siblings, Siblings),
        ("on_stuck", options.on_stuck, OnStuck),
    ):
        if said not in list(choices):
            known = " or ".join(f'"{each}"' for each in choices)
            flaws.append(Flaw(f"{what}={said!r:.40} must be {known}"))
    if options.actions is not None and not options.dynamic:
        flaws.append(Flaw("actions= is for dynamic sagas; this one's are known from its DAG"))
    return flaws


_Choice = TypeVar("_Choice", Siblings, OnStuck)


def choice_of(choices: type[_Choice], said: str) -> _Choice:
    """Return what was said, or any if it is a mistake, which has been told."""
    return choices(said) if said in list(choices) else next(iter(choices))
