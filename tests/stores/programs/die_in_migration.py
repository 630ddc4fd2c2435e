"""Opens a new store, and dies before the given statement of the first migration.

python die_in_migration.py FILE STATEMENT
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from sagacity.stores._migrate import Migration, statements
from sagacity.stores.sqlite import SqliteStore, connecting


def deadly(migration: Migration) -> Iterator[str]:
    for number, statement in enumerate(statements(migration)):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement


connecting.__dict__["statements"] = deadly
asyncio.run(SqliteStore(Path(sys.argv[1])).open())
