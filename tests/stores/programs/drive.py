"""A coordinator that writes on and on, and says each time what is durable.

    python drive.py FILE OWNER

Prints `epoch N` when it is the coordinator, then `created ID` and `appended ID SEQUENCE`.
"""

import asyncio
import sys
from pathlib import Path

from sagacity.stores.sqlite import SqliteStore
from sagacity.testing._promises._making import append_to, new_saga


async def main(path: Path, owner: str) -> None:
    store = SqliteStore(path)
    await store.open()
    epoch = await store.acquire(owner, wait=True)
    say(f"epoch {epoch}")

    async def live(number: int) -> None:
        await store.create(new_saga(number, owner=owner, epoch=epoch))
        say(f"created {number}")
        for at in range(1, 6):
            await store.append(append_to(number, at=at, epoch=epoch))
            say(f"appended {number} {at + 1}")

    first = epoch * 1_000_000
    while True:
        async with asyncio.TaskGroup() as tasks:
            for number in range(first, first + 40):
                tasks.create_task(live(number))
        first += 40


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
