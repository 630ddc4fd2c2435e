"""Rows as columns, each of which is one value for the driver: a text, or one run of bytes.

A column as an array would be the obvious way, but the driver asks of each item of an array
whether that is an array too, which takes longer than everything else it does with it. So
numbers, ids and words go as the text of an array, which the server reads; and what is long
goes end to end, with where each begins, which the server cuts apart.
"""

from __future__ import annotations

from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sagacity.core.values import Json


def columns_of(rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return the columns of rows of ids, numbers and words, each as the text of an array."""
    return [_array(column) for column in zip(*rows, strict=True)]


def pieces_of(rows: Sequence[Sequence[Json]]) -> list[str | Json]:
    """Return where each row begins (from 1), how long each of its pieces is, and all of them."""
    columns = [*zip(*rows, strict=True)]
    sizes = [[*map(len, column)] for column in columns]
    of_rows = sizes[0] if len(sizes) == 1 else [*map(sum, zip(*sizes, strict=True))]
    starts = [*accumulate(of_rows[:-1], initial=1)]
    return [_numbers(starts), *map(_numbers, sizes), b"".join(chain.from_iterable(rows))]


def hex_of(number: int) -> str:
    """Return an id as the server reads it."""
    return f"{number:032x}"


def _array(column: Sequence[Any]) -> str:
    if isinstance(column[0], UUID):
        return f"{{{','.join([hex_of(each.int) for each in column])}}}"
    if isinstance(column[0], str):
        return _words(column)
    return _numbers(column)


def _numbers(column: Sequence[int]) -> str:
    # What Python writes between the brackets of a list is what the server reads.
    return f"{{{str([*column])[1:-1]}}}"


def _words(column: Sequence[str]) -> str:
    text = '","'.join(column)
    if "\\" in text or text.count('"') > 2 * len(column) - 2:
        text = '","'.join([w.replace("\\", r"\\").replace('"', r"\"") for w in column])
    return f'{{"{text}"}}'
