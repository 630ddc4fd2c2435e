"""`sagacity run` where a fleet may be at work."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from sagacity import Client, Context, Sec, action, open_store, saga

ID = UUID(int=5)
MODULE = """
from sagacity import Context, action, saga

@action(no_undo="harmless")
async def greet(ctx: Context, name: str) -> str:
    return f"hello {name}"

@saga
def greeting(name: str) -> str:
    return greet.node(name)
"""


@action(no_undo="harmless")
async def greet(ctx: Context[Any], name: str) -> str:
    return f"hello {name}"


@saga
def greeting(name: str) -> str:
    return greet.node(name)


async def run(folder: Path, url: str) -> Any:
    (folder / "greetings.py").write_text(MODULE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sagacity", "run", "greetings:greeting", "--params", '"you"',
        "--id", str(ID), "--store", url, "--json",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, told = await process.communicate()
    assert process.returncode == 0, told.decode()
    return json.loads(out)


async def test_it_hands_the_saga_to_a_coordinator_that_is_alive(
    postgres_url: str, tmp_path: Path
) -> None:
    """As on SQLite, although here it could become one more."""
    async with Sec(open_store(postgres_url), [greeting]) as sec:
        document = await run(tmp_path, postgres_url)
        view = await sec.get(ID)
        assert view.owner == sec._opened().driving.owner
    assert document["saga"]["state"] == "succeeded"


async def test_it_drives_the_saga_itself_where_nobody_does(
    postgres_url: str, tmp_path: Path
) -> None:
    """And leaves nothing behind that looks alive."""
    await run(tmp_path, postgres_url)
    async with Client(open_store(postgres_url)) as client:
        assert (await client.get(ID)).state == "succeeded"
        assert not await client.has_coordinator()


async def test_it_looks_after_a_saga_that_the_coordinators_there_do_not_take(
    postgres_url: str, tmp_path: Path
) -> None:
    """One that is there for other sagas, say."""
    async with Sec(open_store(postgres_url), [greeting], only=[UUID(int=6)]):
        document = await run(tmp_path, postgres_url)
    assert document["saga"]["state"] == "succeeded"
