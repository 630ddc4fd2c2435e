"""A store with a codec: nothing of a payload is readable in it, and a wrong codec harms nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sagacity import (
    ActionFailed,
    Client,
    Context,
    PayloadUnreadable,
    SagaStore,
    SagaUnwound,
    Sec,
    StoreError,
    action,
    open_store,
    saga,
)
from sagacity.core.sealed import seal, unseal
from sagacity.stores.encoded import EncodedStore
from sagacity.stores.memory import MemoryStore
from tests.engine.world import Facts, turns
from tests.stores.codecs import TAG_BYTES, KeyedCodec

ID, OTHER = UUID(int=1), UUID(int=2)
OLD, NEW = KeyedCodec("key 1"), KeyedCodec("key 2")


@action(read_only=True)
async def greet(ctx: Context, name: str) -> str:
    if name == "hunter bad":
        raise ActionFailed("hunter of errors", {"hunter": name})
    return f"hello {name}"


@saga(dynamic=True)
def greeting(name: str) -> str:
    greet.options(node="first").node("hunter constant")
    return greet.node(name)


def test_the_stored_form_names_its_codec_and_nothing_else() -> None:
    """JSON, as everything in a store."""
    assert seal("key 1", b"\x00\xff") == b'{"$codec":"key 1","data":"AP8="}'
    assert unseal(b'{"$codec":"key 1","data":"AP8="}') == ("key 1", b"\x00\xff")
    for other in (b"[1]", b'{"a":1}', b'{"$codec":1,"data":""}', b'{"$codec":"a","data":"","b":1}'):
        assert unseal(other) is None
    for damaged in (b'{"$codec":"key 1","data":"A"}', b'{"$codec":"key 1"'):
        with pytest.raises(PayloadUnreadable):
            unseal(damaged)


def all_bytes(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


async def test_nothing_of_a_payload_is_in_the_file(tmp_path: Path) -> None:
    """Params, constants, outputs, errors, arguments of commands; what lists show is."""
    url = f"sqlite:///{tmp_path}/sagas.db"
    async with Sec(open_store(url, codec=OLD), [greeting]) as sec:
        assert await sec.run(greeting, "hunter good", labels={"k": "readable"}) == (
            "hello hunter good"
        )
        with pytest.raises(SagaUnwound, match="hunter of errors"):
            await sec.run(greeting, "hunter bad", id=ID)
    async with Client(open_store(url, codec=OLD)) as client:
        await client.create(greeting, "hunter left", id=OTHER)
        await client.handle(OTHER).abandon("hunter reason")
        await client.create(greeting, "hunter asked", id=UUID(int=3), start=True)
        await client.inject(UUID(int=3), "inject_error", "greet", (1, 1))
    kept = all_bytes(tmp_path)
    assert b"hunter" not in kept
    for readable in (b"greeting", b"readable", b"greet", b"key 1"):
        assert readable in kept


@pytest.mark.parametrize(
    ("codec", "told"),
    [
        (None, 'written with the codec "key 1", without which the store was opened'),
        (NEW, 'was written with the codec "key 1"; here are only "key 2"'),
        (KeyedCodec("key 1", "a wrong key"), 'the codec "key 1" cannot decode saga'),
    ],
)
async def test_the_wrong_codec_is_one_clear_error_and_harms_nothing(codec: Any, told: str) -> None:
    """Neither a coordinator nor a client changes what it cannot read; with the right one it runs."""
    memory = MemoryStore()
    right = EncodedStore(memory, OLD)
    wrong: SagaStore = memory if codec is None else EncodedStore(memory, codec)
    async with Client(right) as client:
        await client.create(greeting, "ann", id=ID, start=True)
        await client.inject(ID, "inject_error", "greet", (1, 1))
    await memory.open()
    before = await memory.read(ID)
    await memory.close()
    with pytest.raises(PayloadUnreadable, match=told):
        async with Sec(wrong, [greeting]):
            pass
    async with Client(wrong) as client:
        assert [head.id for head in (await client.list()).items] == [ID]
        with pytest.raises(PayloadUnreadable, match=told):
            await client.get(ID)
        with pytest.raises(PayloadUnreadable, match=told):
            await client.create(greeting, "bob", id=ID)
    await memory.open()
    assert await memory.read(ID) == before
    await memory.close()
    async with Sec(right, [greeting]) as sec:
        with pytest.raises(SagaUnwound):  # the fault that was asked for is still there
            await sec.handle(ID).result()


async def test_a_command_that_cannot_be_read_waits_for_who_can() -> None:
    """It is not left behind as one that makes no sense."""
    memory = MemoryStore()
    async with Sec(EncodedStore(memory, OLD), [greeting]) as sec:
        await sec.create(greeting, "ann", id=ID)
    async with Client(EncodedStore(memory, OLD)) as client:
        await client.inject(ID, "inject_error", "greet", (1, 1))
    facts = Facts()
    async with Sec(memory, [greeting], observers=[facts]):  # only a ready one: it can open
        await facts.until_trouble()
        assert isinstance(facts.troubles[0][1], PayloadUnreadable)
        await turns()
    await memory.open()
    assert len(await memory.take()) == 1
    await memory.close()


async def test_a_key_is_replaced_by_another() -> None:
    """What is written is written with the first; each reads what has its name, or none."""
    memory = MemoryStore()
    async with Client(memory) as client:
        await client.create(greeting, "plain", id=UUID(int=3))
    async with Client(EncodedStore(memory, OLD)) as client:
        await client.create(greeting, "old", id=ID)
    store = EncodedStore(memory, [NEW, OLD])
    async with Sec(store, [greeting]) as sec:
        for saga_id, name in ((ID, "old"), (UUID(int=3), "plain")):
            await sec.start(saga_id)
            assert await sec.handle(saga_id).result() == f"hello {name}"
    await memory.open()
    stored = await memory.read(ID)
    await memory.close()
    names = {unsealed[0] for _, record in stored.records if (unsealed := unseal(record))}
    assert names == {"key 1", "key 2"}
    async with Client(EncodedStore(memory, NEW)) as client:
        with pytest.raises(PayloadUnreadable) as caught:
            await client.get(ID)
    assert caught.value.codec == "key 1"


async def test_one_saga_whose_key_is_lost_does_not_keep_the_others() -> None:
    """It is reported; what can be read goes on."""
    memory = MemoryStore()
    for codec, saga_id in ((OLD, ID), (NEW, OTHER)):
        async with Client(EncodedStore(memory, codec)) as client:
            await client.create(greeting, "ann", id=saga_id, start=True)
    facts = Facts()
    async with Sec(EncodedStore(memory, OLD), [greeting], observers=[facts]) as sec:
        assert await sec.handle(ID).result() == "hello ann"
        await facts.until_trouble()
    assert {saga_id for saga_id, _ in facts.troubles} == {OTHER}


async def test_what_is_kept_for_many_sagas_is_encoded_too(tmp_path: Path) -> None:
    """It can have an output to set. Who cannot read what is to be obeyed does not go on."""
    url = f"sqlite:///{tmp_path}/sagas.db"
    async with Client(open_store(url, codec=OLD)) as client:
        await client.pause(name="greeting", reason="hunter reason")
        assert [hold.reason for hold in await client.holds()] == ["hunter reason"]
    assert b"hunter" not in all_bytes(tmp_path)
    for codec in (None, NEW):
        with pytest.raises(PayloadUnreadable, match='the codec "key 1"'):
            async with Sec(open_store(url, codec=codec), [greeting]):
                pass


class Deaf(KeyedCodec):
    """A codec whose key cannot be had."""

    def encode(self, payload: bytes, /) -> bytes:
        raise ConnectionError("hunter")


async def test_a_codec_that_cannot_encode_fails_the_write() -> None:
    """Nothing is written, and what is told has no payload in it."""
    async with Client(EncodedStore(MemoryStore(), Deaf("key 1"))) as client:
        with pytest.raises(StoreError, match='"key 1" cannot encode: ConnectionError'):
            await client.create(greeting, "ann")
        assert not (await client.list()).items


@pytest.mark.parametrize("codec", [[], [OLD, KeyedCodec("key 1", "b")], KeyedCodec(""), object()])
def test_what_is_no_codec_is_refused(codec: Any) -> None:
    """Before anything is opened."""
    with pytest.raises(ValueError, match="codec"):
        open_store("memory://", codec=codec)


class Careless(KeyedCodec):
    """A codec that notices no wrong key."""

    def decode(self, stored: bytes, /) -> bytes:
        return self._mixed(stored[TAG_BYTES:])


async def test_a_codec_that_notices_no_wrong_key_is_found_out() -> None:
    """What it gives is no payload of ours."""
    memory = MemoryStore()
    async with Client(EncodedStore(memory, OLD)) as client:
        await client.create(greeting, "ann", id=ID)
    async with Client(EncodedStore(memory, Careless("key 1", "a wrong key"))) as client:
        with pytest.raises(PayloadUnreadable, match="perhaps it has another key"):
            await client.get(ID)
