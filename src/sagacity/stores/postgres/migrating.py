"""The schema, brought up to date in one transaction, by whoever comes first.

Who comes at the same time waits for the lock of the version's row, and finds the work
done. A process that is killed in the middle leaves nothing. A role that may not change
the schema needs it up to date: then the version is only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreError
from sagacity.stores._migrate import load_migrations, missing
from sagacity.stores.postgres.driver import ERRORS, sqlstate_of
from sagacity.stores.postgres.files import SCHEMA, in_schema

if TYPE_CHECKING:
    from sagacity.stores.postgres.address import Address
    from sagacity.stores.postgres.pool import Try

NOT_THERE: Final = frozenset({"42P01", "3F000"})
"""The version's table, or its schema."""
MADE_AT_ONCE: Final = frozenset({"23505", "42710", "42P06", "42P07", "XX000", "40001", "40P01"})
"""`IF NOT EXISTS` looks first and makes then: two at once can both find nothing."""
NO_RIGHT: Final = "42501"
TRIES: Final = 20
MIGRATIONS: Final = load_migrations(SCHEMA)


async def migrate(begun: Try, address: Address) -> None:
    """Bring the schema up to date.

    Raises:
        SchemaVersionError: it is newer than this build.
        StoreError: it must be made or changed, and this role may not.
    """
    version = await _version(begun)
    if not missing(MIGRATIONS, version, address.shown):
        return
    try:
        for left in range(TRIES, 0, -1):
            try:
                await _make_version(begun)
                break
            except ERRORS as error:
                if sqlstate_of(error) not in MADE_AT_ONCE or left == 1:
                    raise
        await _apply(begun, address)
    except ERRORS as error:
        if sqlstate_of(error) == NO_RIGHT:
            raise StoreError(
                f'{address.shown}: schema "{address.schema}" is at version {version}, this build '
                f"needs {len(MIGRATIONS)}, and this role may not change it: open the store once "
                f"as the role that owns the schema"
            ) from error
        raise


async def _version(begun: Try) -> int:
    try:
        version = await begun.value("version")
    except ERRORS as error:
        if sqlstate_of(error) in NOT_THERE:
            return 0
        raise
    return 0 if version is None else int(version)


async def _make_version(begun: Try) -> None:
    # Not in one transaction with the rest: what it locks would be waited for in vain by
    # those who come at the same time, and then fail them. A version 0 harms nobody.
    await begun.tell("make_schema")
    await begun.tell("make_version")
    await begun.tell("begin_version")


async def _apply(begun: Try, address: Address) -> None:
    execute = begun.connection.execute
    await execute("BEGIN ISOLATION LEVEL READ COMMITTED", timeout=begun.timeout_seconds)
    try:
        version = int(await begun.value("lock_version"))
        for migration in missing(MIGRATIONS, version, address.shown):
            script = in_schema(migration.script, address.schema)
            await execute(script, timeout=begun.timeout_seconds)
        await begun.rows("set_version", len(MIGRATIONS))
        await begun.tell("commit")
    except BaseException:
        begun.connection.terminate()
        raise
