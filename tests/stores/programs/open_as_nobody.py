"""Opens a store as a user that may not write it, and prints the error.

python open_as_nobody.py FILE
"""

import asyncio
import os
import sys
from pathlib import Path

from sagacity.errors import StoreError
from sagacity.stores.sqlite import SqliteStore

NOBODY = 65534

if os.geteuid() == 0:
    # The superuser may write whatever the mode of a file says.
    os.setgid(NOBODY)
    os.setuid(NOBODY)
try:
    asyncio.run(SqliteStore(Path(sys.argv[1])).open())
except StoreError as error:
    sys.stdout.write(f"{type(error).__name__}: {error}")
