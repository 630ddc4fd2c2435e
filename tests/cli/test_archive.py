"""Export and import: whole sagas, or nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sagacity.cli.archive import line_of, read_line
from sagacity.cli.importing import OWNER, bring_in
from sagacity.errors import LogCorrupt, SagaExists, StoreError
from sagacity.ports.store import Append, SagaQuery, SagaStatus
from sagacity.stores.memory import MemoryStore

Sagacity = Callable[..., Any]
Document = Callable[..., Any]

ID = "0190a3de-0000-7000-8000-000000000001"
NO_CAR = '{"who": "me", "fails": "do car"}'
STUCK = '{"who": "me", "fails": "undo hotel"}'
OTHER = ["--store", "sqlite:///other.db"]


@pytest.fixture
def exported(sagacity: Sagacity, here: Path) -> Path:
    """Return the export of a saga that unwound."""
    sagacity("run", "trips:book_trip", "--params", NO_CAR, "--id", ID, "--label", "a=b", "-q")
    sagacity("export", ID, "-o", "saga.jsonl")
    return here / "saga.jsonl"


@pytest.fixture
def line(exported: Path) -> bytes:
    """Return the line of that saga."""
    return exported.read_bytes()


def test_what_comes_out_of_another_store_is_the_same_saga(
    sagacity: Sagacity, document: Document, exported: Path
) -> None:
    """All but its owner and epoch, which belong to a store."""
    sagacity("import", str(exported), *OTHER)

    old, new = document("show", ID), document("show", ID, *OTHER)
    assert (new.pop("owner"), new.pop("epoch")) == ("import", 0)
    del old["owner"], old["epoch"]
    assert new == old
    old_log, new_log = document("log", ID), document("log", ID, *OTHER)
    assert {event.pop("epoch") for event in new_log["events"]} == {0}
    for event in old_log["events"]:
        del event["epoch"]
    assert new_log == old_log


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("dir", "dir: Is a directory"),
        ("no/x", "no/x: No such file or directory"),
        ("", ".: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_as_it_was_given(
    sagacity: Sagacity, here: Path, exported: Path, where: str, message: str
) -> None:
    """Not as the file that would have become it."""
    (here / "dir").mkdir()
    result = sagacity("export", ID, "-o", where)

    assert (result.exit_code, result.stderr) == (1, f"Error: {message}\n")
    assert not list(here.rglob("*.partial"))


def test_all_sagas_go_through_a_pipe(sagacity: Sagacity, document: Document) -> None:
    """`export --all` to standard output, `import -` from standard input."""
    for _ in range(3):
        sagacity("run", "trips:one_step", "--params", '{"who": "me"}', "-q")

    sent = sagacity("export", "--all")
    result = sagacity("import", "-", *OTHER, text=sent.stdout_bytes)

    assert result.exit_code == 0
    assert len(sent.stdout.splitlines()) == 3
    ids = [each["id"] for each in document("list")["sagas"]]
    assert [each["id"] for each in document("list", *OTHER)["sagas"]] == ids


def test_an_imported_saga_goes_on(sagacity: Sagacity, document: Document, ready: str) -> None:
    """What had not ended is what the next coordinator finds."""
    sagacity("export", ready, "-o", "ready.jsonl")
    told = sagacity("import", "ready.jsonl", *OTHER)

    result = sagacity("run", "trips:one_step", "--id", ready, *OTHER, "-q")

    assert f"{ready} (one_step) has not ended: ready" in told.stderr
    assert (result.exit_code, result.stdout) == (0, "100\n")
    epochs = [event["epoch"] for event in document("log", ready, *OTHER)["events"]]
    assert epochs == sorted(epochs)


def test_ids_in_use_are_refused(sagacity: Sagacity, document: Document, exported: Path) -> None:
    """And nothing of the file is imported, whatever else is in it."""
    other = exported.read_bytes().replace(ID.encode(), ID[:-1].encode() + b"2")
    exported.write_bytes(other + exported.read_bytes())

    result = sagacity("import", str(exported))

    assert result.exit_code == 1
    assert (
        f"saga {ID} already exists: ids in use are refused; nothing was imported" in result.stderr
    )
    assert len(document("list")["sagas"]) == 1


def test_one_id_twice_is_refused(sagacity: Sagacity, here: Path, exported: Path) -> None:
    """Which of the two should it be? No store is made."""
    text = exported.read_bytes() * 2

    result = sagacity("import", "-", *OTHER, text=text)

    assert result.exit_code == 1
    assert f"saga {ID} is in the file twice" in result.stderr
    assert not (here / "other.db").exists()


def change(path: list[Any], value: Any) -> Callable[[Any], Any]:
    def apply(document: Any) -> Any:
        inner = document
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value
        return document

    return apply


def without_first_record(document: Any) -> Any:
    return {**document, "records": document["records"][1:]}


def as_list(document: Any) -> Any:
    return [document]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change(["sagacity_export"], 2), "export of format 2; this build reads format 1"),
        (change(["sagacity_export"], "1"), "not a line of an export"),
        (change(["head", "id"], "nope"), "badly formed hexadecimal UUID"),
        (change(["head", "name"], "other"), "is not that of its definition"),
        (change(["head", "labels"], {"a": 1}), "must be strings"),
        (change(["head", "created_ms"], -1), "times out of bounds"),
        (change(["definition", "format"], 9), "definition of format 9"),
        (change(["definition", "extra"], 1), "not as sagacity writes it"),
        (change(["definition", "edges"], [[0, 1], [1, 0]]), "cycle"),
        (change(["definition", "nodes", 0, "kind"], "surprise"), "not a definition"),
        (change(["constants"], [1]), "not as sagacity writes it"),
        (change(["records"], []), "not a line of an export"),
        (change(["records", 0], 3), "not a record with its sequence"),
        (change(["records", 1, 0], 7), "expected sequence"),
        (change(["records", 0, 1, 0], 5), "record of format 5"),
        (change(["records", 1, 1, 3, 0], ["started", 99, 1]), "does not exist"),
        (change(["records", 1, 1, 3, 0], ["import", "os"]), "not an event"),
        (without_first_record, "expected sequence 1"),
        (as_list, "not a line of an export"),
    ],
)  # fmt: skip
def test_damage_is_found_before_anything_is_written(
    sagacity: Sagacity, here: Path, exported: Path, damage: Callable[[Any], Any], message: str
) -> None:
    """A line is one saga that can have been, or the import says what is wrong with it."""
    damaged = orjson.dumps(damage(orjson.loads(exported.read_bytes())))

    result = sagacity("import", "-", *OTHER, text=b"\n" + damaged)

    assert result.exit_code == 1
    assert "line 2: " in result.stderr
    assert message in result.stderr
    assert not (here / "other.db").exists()


def test_text_that_is_no_json_is_refused(sagacity: Sagacity) -> None:
    """With the line that it is in."""
    result = sagacity("import", "-", *OTHER, text="{}\n")
    nonsense = sagacity("import", "-", *OTHER, text="nonsense\n")

    assert "line 1: not a line of an export" in result.stderr
    assert "line 1: not JSON" in nonsense.stderr


def test_a_failed_export_leaves_no_file(sagacity: Sagacity, here: Path, exported: Path) -> None:
    """A file under the name that was asked for is whole."""
    result = sagacity("export", ID, "0190ffff", "-o", "both.jsonl")

    assert result.exit_code == 1
    assert [path.name for path in here.glob("both*")] == []


@pytest.mark.parametrize(
    "words", [[], [ID, "--all"], ["--all", "--steno"], ["--all", "--json"]], ids=" ".join
)
def test_contradictions_are_refused(sagacity: Sagacity, words: list[str]) -> None:
    """Nothing, or two things at once, cannot be exported."""
    assert sagacity("export", *words).exit_code == 1


class FullStore(MemoryStore):
    """Has room for so many appends."""

    room = 3

    async def append(self, append: Append) -> None:
        if self.room == 0:
            raise StoreError("no room")
        self.room -= 1
        await super().append(append)


async def test_an_import_that_was_cut_short_is_gone_on_with(line: bytes) -> None:
    """Until its last record is in nobody drives the saga; then it is whole."""
    archived = read_line(line)
    store = FullStore()
    await store.open()
    with pytest.raises(StoreError):
        await bring_in(store, archived)
    (head,) = await store.list(SagaQuery())
    assert (head.state, head.owner, head.epoch) == (SagaStatus.READY, OWNER, 0)

    store.room = 1_000
    await bring_in(store, archived)

    stored = await store.read(archived.id)
    assert stored.head.state is SagaStatus.UNWOUND
    assert [record for _, record in stored.records] == [record for record, _ in archived.records]
    with pytest.raises(SagaExists):
        await bring_in(store, archived)


async def test_only_the_same_saga_is_gone_on_with(line: bytes) -> None:
    """A partial import under the same id that is another saga is left alone."""
    store = FullStore()
    await store.open()
    with pytest.raises(StoreError):
        await bring_in(store, read_line(line))
    other = line.replace(b'"who":"me"', b'"who":"you"')

    with pytest.raises(SagaExists):
        await bring_in(store, read_line(other))


async def test_a_line_is_read_as_it_was_written(line: bytes) -> None:
    """Exporting what was imported gives the same, but for the epochs."""
    archived = read_line(line)
    store = MemoryStore()
    await store.open()
    await bring_in(store, archived)

    again = line_of(await store.read(archived.id))

    assert read_line(again) == archived


def test_a_damaged_log_cannot_be_read() -> None:
    """`read_line` raises one kind of error, whatever is wrong."""
    for text in (b"", b"[]", b"{", b'{"sagacity_export": 1}', b"\xff"):
        with pytest.raises(LogCorrupt):
            read_line(text)


def test_a_steno_saga_comes_in_ready(sagacity: Sagacity, document: Document) -> None:
    """In Steno's format there and back; it is not started."""
    sagacity("run", "trips:built", "--id", ID, "-q")
    text = sagacity("export", ID, "--steno").stdout_bytes
    assert set(orjson.loads(text)) == {"saga_id", "dag", "events"}

    brought = document("import", "-", "--steno", *OTHER, text=text)
    refused = sagacity("import", "-", "--steno", *OTHER, text=text)

    assert [each["state"] for each in brought["sagas"]] == ["ready"]
    assert refused.exit_code == 1


def test_what_steno_cannot_say_is_refused(sagacity: Sagacity, exported: Path) -> None:
    """With the reasons."""
    result = sagacity("export", ID, "--steno")

    assert result.exit_code == 1
    assert "cannot be told in Steno's format" in result.stderr
