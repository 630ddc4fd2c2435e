"""The story that `./dev demo` tells: one instance that answers, and one that fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from textwrap import indent
from typing import Final

from examples.provision import probe, show
from examples.provision.checker import Report, check
from examples.provision.mischief import Mischief, Strike
from examples.provision.model import Configuration, Request
from examples.provision.running import Place, Runner, runner
from sagacity import SagaView

Say = Callable[[str], None]

FIRST: Final = "demo"
SECOND: Final = "demo-too"
FAILS_AT: Final = "instance_boot"

NEXT: Final = """\
Now you:
  ./dev demo run --kill-at instance_boot     kill -9 in the middle; run it again and it goes on
  ./dev demo run --fail volume_attach        any node may fail; ./dev demo check proves it clean
  ./dev demo steno run --inject-error print  the same saga in Steno's own words and format"""


class StoryError(Exception):
    """The demo did not come out as it must."""


async def tell(place: Place, say: Say) -> None:
    """Tell the story.

    What an interrupted demo left is taken down first; instances of other names stay.

    Raises:
        StoryError: something did not come out as it must.
    """
    display = show.display(say)
    async with runner(place, say=say, display=display) as sagas:
        await sagas.finish_unfinished()
        await _take_down(place, sagas)
        others = _look(place).serving

        say("1. Provision: take an address, a volume, a server; configure, attach, boot.\n")
        _expect(await sagas.provision(Request(FIRST)), "succeeded")
        (first,) = _ours(place)
        say(f"\n$ curl {first.address.url}")
        answer = probe.ask(first.address.host, first.address.port) or {}
        say(json.dumps(answer, indent=2))
        _must(answer.get("instance_id") == first.instance.id, "it does not answer")

    say(f"\n2. Once more, and {FAILS_AT} fails half done: a process runs that nobody heard of.\n")
    mischief = Mischief([Strike(FAILS_AT)], say)
    async with runner(place, mischief=mischief, say=say, display=display) as sagas:
        _expect(await sagas.provision(Request(SECOND)), "unwound")
    report = _look(place)
    say(f"\nAll that is on the machine, judged by the machine alone:\n{_listed(report)}")
    _must(len(report.serving) == len(others) + 1, "the second instance left something")

    say("\n3. Take the first one down.\n")
    async with runner(place, say=say, display=display) as sagas:
        await _take_down(place, sagas)
    report = _look(place)
    say(f"\nAll that is on the machine:\n{_listed(report)}\n")
    _must(report.serving == others, "the first instance left something")
    say(NEXT)


async def _take_down(place: Place, sagas: Runner) -> None:
    for made_of in _ours(place):
        _expect(await sagas.tear_down(made_of), "succeeded")


def _ours(place: Place) -> list[Configuration]:
    return [
        made_of
        for made_of in place.machine.configurations()
        if made_of.instance.name in (FIRST, SECOND)
    ]


def _listed(report: Report) -> str:
    return indent(show.machine(report), "  ")


def _look(place: Place) -> Report:
    report = check(place.machine)
    _must(report.is_clean, show.machine(report))
    return report


def _expect(view: SagaView, state: str) -> None:
    _must(view.state == state, show.ending(view))


def _must(fact: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not fact:
        raise StoryError(otherwise)
