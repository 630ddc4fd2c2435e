"""What goes wrong at the services, decided apart from them.

A plan looks at a request and says how it is treated. It is a pure function: what it
says does not hang on the order in which the requests of many trips come in, so
that a seed stands for the same faults on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, TypeAlias


class Fault(StrEnum):
    """One thing that can go wrong with a request."""

    NONE = "none"
    REFUSE = "refuse"  # a definite no: sold out, card declined
    UNAVAILABLE = "unavailable"  # 503 before any work
    SLOW = "slow"  # the client has given up before the work is done; it is done all the same
    LOSE_REPLY = "lose reply"  # the work is done, and nobody hears of it


class Verb(StrEnum):
    """What a request asks for."""

    BOOK = "book"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as a plan sees it: the `nth` (1, 2, ...) of this kind for this trip."""

    service: str
    verb: Verb
    trip: str
    nth: int


@dataclass(frozen=True, slots=True)
class Treatment:
    """What happens to a request, and how long an honest service takes over it."""

    fault: Fault = Fault.NONE
    delay_seconds: float = 0.0


Plan: TypeAlias = Callable[[Asked], Treatment]

_GOOD: Final = Treatment()
_LAST_FAULTY: Final = 3
_WEIGHTS: Final[Mapping[Verb, Mapping[Fault, int]]] = {
    Verb.BOOK: {
        Fault.NONE: 74,
        Fault.REFUSE: 6,
        Fault.UNAVAILABLE: 4,
        Fault.SLOW: 8,
        Fault.LOSE_REPLY: 8,
    },
    # An undo is never refused: a service that can do so is one whose sagas get stuck.
    Verb.CANCEL: {
        Fault.NONE: 70,
        Fault.UNAVAILABLE: 10,
        Fault.SLOW: 10,
        Fault.LOSE_REPLY: 10,
    },
}


def all_well(asked: Asked) -> Treatment:
    """Nothing goes wrong."""
    del asked
    return _GOOD


def first_booking(faults: Mapping[str, Fault]) -> Plan:
    """Return a plan where the first request to book at each service named meets its fault."""

    def plan(asked: Asked) -> Treatment:
        if asked.verb is Verb.BOOK and asked.nth == 1 and asked.service in faults:
            return Treatment(faults[asked.service])
        return _GOOD

    return plan


def chaos(seed: int) -> Plan:
    """Return a plan where anything can go wrong, but no more than three times with one request."""

    def plan(asked: Asked) -> Treatment:
        random = Random(f"{seed} {asked}")
        if asked.nth > _LAST_FAULTY:
            return Treatment(delay_seconds=random.uniform(0, 0.02))
        weights = _WEIGHTS[asked.verb]
        [fault] = random.choices(list(weights), list(weights.values()))
        return Treatment(fault, random.uniform(0, 0.02))

    return plan
