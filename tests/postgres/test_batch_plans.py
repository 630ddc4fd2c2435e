"""What the server does for a batch grows with the batch, and not with its square."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest

from sagacity.stores.postgres import PostgresStore
from sagacity.stores.postgres.address import address_of
from sagacity.stores.postgres.batch import Write, values_of, write_of_append, write_of_create
from sagacity.stores.postgres.connecting import open_session
from sagacity.stores.postgres.files import queries_of
from sagacity.testing._promises._making import append_to, create_many, new_saga

ROWS = 50
CREATES = [write_of_create(new_saga(number), 1) for number in range(ROWS)]
APPENDS = [write_of_append(append_to(number)) for number in range(ROWS)]


@pytest.mark.parametrize(
    ("batch", "there", "done"),
    [
        pytest.param(CREATES, [ROWS], ROWS, id="create"),
        pytest.param(CREATES, range(0, ROWS, 2), ROWS // 2, id="create, half of them there"),
        pytest.param(APPENDS, range(ROWS), ROWS, id="append"),
        pytest.param(APPENDS, range(0, ROWS, 2), ROWS // 2, id="append, half of them not there"),
    ],
)
async def test_no_row_of_a_batch_is_compared_with_all_others(
    postgres_store_url: str, batch: Sequence[Write], there: Sequence[int], done: int
) -> None:
    """Else a batch of 250 takes the server twice as long as it has to."""
    store = PostgresStore(postgres_store_url)
    await store.open()
    await create_many(store, *map(new_saga, there))
    await store.close()
    address = address_of(postgres_store_url)
    queries = queries_of(address)
    session = await open_session(address, queries)
    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {queries[batch[0].kind]}"
    try:
        await session.execute("SET plan_cache_mode = force_generic_plan")
        ((explained,),) = await session.fetch(statement, *values_of(batch), "channel", [])
    finally:
        session.terminate()
    nodes = list(nodes_of(orjson.loads(explained)[0]["Plan"]))
    compared = sum(node.get("Rows Removed by Join Filter", 0) for node in nodes)
    written = [node["Actual Rows"] for node in nodes if node.get("CTE Name") in {"made", "moved"}]
    assert compared <= ROWS
    assert max(written) == done


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes_of(each)
