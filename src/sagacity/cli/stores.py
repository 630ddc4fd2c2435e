"""From the option `--store` to a store, and from a piece of an id to the saga.

Who only reads must not make a database: a mistyped path would look like a store
without sagas.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import click

from sagacity.cli.codecs import chosen_codec
from sagacity.errors import NoSuchSaga
from sagacity.runtime import Client, open_store
from sagacity.stores.opening import POSTGRES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sagacity.ports.store import SagaStore

DEFAULT_URL: Final = "sqlite:///sagacity.db"
_HEX: Final = re.compile(r"[0-9a-fA-F]{1,32}")


def shown_url(url: str) -> str:
    """Return the URL of a store for people: as it is, but without a password."""
    scheme, separator, rest = url.partition("://")
    if not separator or "sqlite" in scheme:
        return url
    place, mark, query = rest.partition("?")
    user, at, hosts = place.rpartition("@")
    options = [each for each in query.split("&") if "password" not in each.partition("=")[0]]
    more = "&".join(options)
    return f"{scheme}://{user.partition(':')[0]}{at}{hosts}{mark if more else ''}{more}"


def is_shared(url: str) -> bool:
    """Return whether the URL names a store that takes many coordinators."""
    return urlsplit(url).scheme in POSTGRES


def new_store(url: str) -> SagaStore:
    """Return the store, which may come into being.

    Raises:
        click.ClickException: not a URL of a store, or there is no such codec.
    """
    try:
        return open_store(url, codec=chosen_codec())
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def known_store(url: str) -> SagaStore:
    """Return a store that exists.

    Raises:
        click.ClickException: it does not, or it is not a URL of a store.
    """
    store = new_store(url)
    parts = urlsplit(url)
    if parts.scheme == "memory":
        raise click.ClickException(
            f"{url} is in the memory of one process, and empty here: give --store sqlite:///PATH"
        )
    if parts.scheme == "sqlite":
        path = Path(unquote(parts.path.removeprefix("/")))
        if not path.exists():
            raise click.ClickException(
                f"there is no store at {path} ({url}): give --store, or set SAGACITY_STORE"
            )
    return store


@asynccontextmanager
async def reading(url: str) -> AsyncGenerator[Client]:
    """Open a store that exists, to look at it."""
    async with Client(known_store(url)) as client:
        yield client


@asynccontextmanager
async def opened(store: SagaStore) -> AsyncGenerator[tuple[SagaStore, Client]]:
    """Open a store, and give it together with a client of it."""
    async with Client(store) as client:
        yield store, client


async def find_saga(client: Client, text: str) -> UUID:
    """Return the id of the saga that `text` means: a UUID, or the beginning of one.

    Raises:
        click.ClickException: neither, or the beginning of more than one.
        NoSuchSaga: there is none.
    """
    digits = text.replace("-", "")
    if not _HEX.fullmatch(digits):
        raise click.ClickException(f"{text!r:.60} is no id: give a UUID, or the beginning of one")
    if len(digits) == 32:  # noqa: PLR2004 - the hex digits of a UUID
        return UUID(digits)
    # Lists are in the order of ids: what begins so stands together, behind the lowest such id.
    lowest = int(digits.ljust(32, "0"), 16)
    page = await client.list(after=UUID(int=lowest - 1) if lowest else None, limit=3)
    found = [each.id for each in page.items if each.id.hex.startswith(digits.lower())]
    if not found:
        raise NoSuchSaga(text)
    if len(found) > 1:
        listed = ", ".join(str(each) for each in found[:2])
        raise click.ClickException(f"more than one saga begins with {text}: {listed}, ...")
    return found[0]
