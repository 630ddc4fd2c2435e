"""Stored text, values and times as short text for people. Pure; knows no terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import orjson

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

# What can move the cursor, colour what follows, or turn the order of a line around: the control
# characters of ASCII and Latin-1, line and paragraph separators, bidirectional marks, surrogates.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_UNSAFE_BUT_NEWLINE: Final = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


def safe(text: str) -> str:
    """Return `text` in one line, with everything escaped that a terminal could obey."""
    return _UNSAFE.sub(_escaped, text)


def safe_lines(text: str) -> list[str]:
    """Return the lines of `text`, each safe."""
    return [_UNSAFE_BUT_NEWLINE.sub(_escaped, line) for line in text.expandtabs(4).split("\n")]


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def cut(text: str, limit: int) -> str:
    """Return `text` with at most `limit` characters."""
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def counted(count: int, noun: str) -> str:
    """Return a number of things in words: `1 saga`, `2 sagas`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shown_value(value: Any, limit: int) -> str:
    """Return a JSON value in one line of at most `limit` characters."""
    return safe(cut(orjson.dumps(value).decode(), limit))


def duration(milliseconds: int) -> str:
    """Return how long something took, in two units at most."""
    ms = max(milliseconds, 0)
    if ms < SECOND_MS:
        return f"{ms} ms"
    if ms < MINUTE_MS:
        return f"{ms / SECOND_MS:.1f} s" if ms < MINUTE_MS - 50 else "60 s"
    for unit_ms, unit, part_ms, part in (
        (HOUR_MS, "min", SECOND_MS, "s"),
        (DAY_MS, "h", MINUTE_MS, "min"),
    ):
        if ms < unit_ms:
            whole, rest = divmod(ms // part_ms, 60)
            return f"{whole} {unit} {rest:02d} {part}"
    days, hours = divmod(ms // HOUR_MS, 24)
    return f"{days} d {hours} h"


def ago(milliseconds: int) -> str:
    """Return how long ago something was, in one unit."""
    ms = max(milliseconds, 0)
    for unit_ms, unit in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s")):
        if ms >= unit_ms:
            return f"{ms // unit_ms} {unit} ago"
    return "now"


def moment(time_ms: int) -> str:
    """Return a time of the store in local time."""
    return f"{_local(time_ms):%Y-%m-%d %H:%M:%S}"


def time_of_day(time_ms: int) -> str:
    """Return the time of day in local time, to the millisecond."""
    return f"{_local(time_ms):%H:%M:%S}.{time_ms % SECOND_MS:03d}"


def _local(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // SECOND_MS, tz=UTC).astimezone()
