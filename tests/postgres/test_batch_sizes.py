import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from sagacity.stores.postgres import PostgresStore, writer
from sagacity.stores.postgres.batch import Kind, Verdict, settle
from sagacity.testing._promises._making import append_to, new_saga


@pytest.mark.parametrize(
    ("sagas", "sizes"),
    [
        pytest.param(1, [1], id="alone"),
        pytest.param(11, [1, 10], id="a few"),
        pytest.param(101, [1, 50, 50], id="many"),
        pytest.param(601, [1, 250, 250, 100], id="very many"),
    ],
)
async def test_one_half_is_at_work_while_the_other_is_written(
    postgres_store_url: str, monkeypatch: pytest.MonkeyPatch, sagas: int, sizes: Sequence[int]
) -> None:
    """With all in one batch, worker and server would wait for each other in turn."""
    seen: list[int] = []

    async def settle_and_tell(begun: Any, batch: Any, *rest: Any, **more: Any) -> Sequence[Verdict]:
        if batch[0].kind is Kind.APPEND:
            seen.append(len(batch))
        return await settle(begun, batch, *rest, **more)

    monkeypatch.setattr(writer, "settle", settle_and_tell)
    store = PostgresStore(postgres_store_url)
    await store.open()
    await store.create(new_saga(0))
    for number in range(1, sagas + 1):
        await store.create(new_saga(number))  # one by one: the batch before has one row
    await asyncio.gather(*(store.append(append_to(number)) for number in range(1, sagas + 1)))
    await store.close()
    assert seen == sizes
