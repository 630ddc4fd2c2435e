"""The arguments of a `.node(...)` call: which inputs they are, and what does not fit.

Not by `inspect`: it names one mistake of a call, the first that it meets, and an input that is
misspelt is two: unknown by the one name, missing by the other.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from sagacity.authoring.mistakes import Flaw
from sagacity.authoring.node_options import OPTIONS
from sagacity.authoring.signatures import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.authoring.signatures import Parameter


def read_call(
    action: str,
    parameters: Mapping[str, Parameter],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> tuple[dict[str, object], list[Flaw]]:
    """Return the inputs that are given, in the order of the parameters, and what does not fit."""
    by_position = [each.name for each in parameters.values() if not each.keyword_only]
    given = {**kwargs, **dict(zip(by_position, args, strict=False))}
    bound = {name: given[name] for name in parameters if name in given}
    options = [name for name in kwargs if name in OPTIONS and name not in parameters]
    unknown = [name for name in kwargs if name not in parameters and name not in options]
    free = [name for name in parameters if name not in given]
    missing = [name for name in free if parameters[name].default is REQUIRED]
    twice = [name for name in by_position[: len(args)] if name in kwargs]
    meant = _meant(unknown, missing, free)

    takes = f"takes {', '.join(map(_shown, parameters.values())) or 'none'}"
    texts = [
        f'has no input "{name}"; did you mean "{meant[name]}"? It {takes}'
        if name in meant
        else f'has no input "{name}"; it {takes}'
        for name in unknown
    ]
    texts += [
        f'has no input "{name}"; the options of a node come first: .options({name}=...).node(...)'
        for name in options
    ]
    if unmeant := [f'"{name}"' for name in missing if name not in meant.values()]:
        texts.append(f"is not given {', '.join(unmeant)}; it {takes}")
    if len(args) > len(by_position):
        texts.append(
            f"is given {len(args)} input{'s' * (len(args) > 1)} by position, and "
            f"{f'at most {len(by_position)}' if by_position else 'none'} can be; it {takes}"
        )
    texts += [f'is given "{name}" both by position and by name; it {takes}' for name in twice]
    return bound, [Flaw(f'action "{action}" {text}') for text in texts]


def _meant(unknown: list[str], missing: list[str], free: list[str]) -> dict[str, str]:
    """Return which input each unknown name was perhaps meant for, none for two of them."""
    meant: dict[str, str] = {}
    for name in unknown:
        left = [each for each in free if each not in meant.values()]
        if close := difflib.get_close_matches(name, left, n=1):
            meant[name] = close[0]
    unmeant = [name for name in unknown if name not in meant]
    wanted = [name for name in missing if name not in meant.values()]
    if len(unmeant) == len(wanted) == 1:  # however unlike they are
        meant[unmeant[0]] = wanted[0]
    return meant


def _shown(parameter: Parameter) -> str:
    return f"{parameter.name} (by name)" if parameter.keyword_only else parameter.name
