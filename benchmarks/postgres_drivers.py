"""asyncpg against psycopg 3, at what the store asks of a driver.

`python -m benchmarks.postgres_drivers URL`: the same statements, taken in turn in one run. The
figures behind docs/decisions/0010-postgres-driver.md.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

import psycopg

from sagacity.stores.postgres.address import address_of
from sagacity.stores.postgres.driver import connect
from sagacity.stores.postgres.files import queries_of
from sagacity.stores.postgres.store import PostgresStore

SCHEMA: Final = "sagacity_drivers"
SAGAS: Final = 1_000
ROUNDS: Final = 30
RECORD: Final = (
    b'[{"kind":"succeeded","node":3,"output":{"reservation":"R-1234567","price":129}}]' * 2
)
IDS: Final = [UUID(int=number << 64) for number in range(1, SAGAS + 1)]

Ask = Callable[[str, Sequence[Any]], Awaitable[Any]]


def columns(ids: Sequence[UUID], sequence: int) -> list[Any]:
    """Return the arrays of one append to each of these sagas."""
    count = len(ids)
    of_all: list[Any] = [0, sequence, 1, "running", "forward", 1_700_000_000_000, 12345, RECORD]
    return [list(ids), *([value] * count for value in of_all), "channel", []]


async def main(url: str) -> None:
    """Print medians of both drivers."""
    address = address_of(f"{url}?schema={SCHEMA}")
    queries = queries_of(address)
    store = PostgresStore(f"{url}?schema={SCHEMA}")
    await store.open()
    await store.close()
    first = await connect(address, address.timeout_seconds)
    second = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0)
    cursor = second.cursor(binary=True)
    await first.execute(
        f"TRUNCATE {SCHEMA}.head, {SCHEMA}.log; INSERT INTO {SCHEMA}.head "
        "SELECT unnest($1::uuid[]), 0, 0, 0, 0, 1, 'running', 'forward', 'me'".replace(
            "$1", f"'{{{','.join(map(str, IDS))}}}'"
        )
    )
    texts = {name: numbered(queries[name]) for name in ("append", "ping")}
    read = f"SELECT first_sequence, record FROM {SCHEMA}.log WHERE saga = $1 LIMIT 10"
    queries = {**queries, "read": read}
    texts["read"] = numbered(read)

    async def with_asyncpg(name: str, values: Sequence[Any]) -> Any:
        return await first.fetch(queries[name], *values)

    async def with_psycopg(name: str, values: Sequence[Any]) -> Any:
        await cursor.execute(texts[name], {f"v{n}": v for n, v in enumerate(values, 1)})
        return await cursor.fetchall()

    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    cpu: dict[tuple[str, str], list[float]] = defaultdict(list)
    sequences = dict.fromkeys(IDS, 1)
    asks: dict[str, Ask] = {"asyncpg": with_asyncpg, "psycopg": with_psycopg}
    for at in range(ROUNDS):
        for driver, ask in asks.items():
            for count, times in ((1_000, 1), (100, 3), (1, 20)):
                ids = IDS[:count]
                for _ in range(times):
                    values = columns(ids, 0)
                    values[2] = [sequences[each] for each in ids]
                    begin, used = time.perf_counter(), time.process_time()
                    rows = await ask("append", values)
                    took[f"append of {count:,}", driver].append(time.perf_counter() - begin)
                    cpu[f"append of {count:,}", driver].append(time.process_time() - used)
                    assert rows[0][0] == count, (driver, at, rows)
                    for each in ids:
                        sequences[each] += 1
            for what, name, given in (
                ("read of 10 records", "read", [IDS[0]]),
                ("ping", "ping", []),
            ):
                begin, used = time.perf_counter(), time.process_time()
                for _ in range(20):
                    await ask(name, given)
                took[what, driver].append((time.perf_counter() - begin) / 20)
                cpu[what, driver].append((time.process_time() - used) / 20)
    print(f"{'':22}{'wall, us':>22}{'CPU of ours, us':>24}")
    for (what, driver), values in took.items():
        wall = statistics.median(values) * 1e6
        used = statistics.median(cpu[what, driver]) * 1e6
        print(f"{what:22}{driver:>10}{wall:12,.0f}{used:20,.0f}")
    await first.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    await first.close()
    await second.close()


def numbered(query: str) -> bytes:
    """Return a query with psycopg's placeholders, for values in binary form."""
    for number in range(20, 0, -1):
        query = query.replace(f"${number}", f"%(v{number})b")
    return query.encode()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
