"""The records of the saga log. What is golden here was stored by someone, and must be read for ever."""

import contextlib
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.codec import LoggedEvent, decode_log, decode_record, encode_record
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    Effect,
    ErrorKind,
    ErrorRecord,
    Event,
    EventKind,
    Failed,
    FinalState,
    Finished,
    Heartbeat,
    How,
    Released,
    Started,
    StartRequested,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.errors import LogCorrupt
from sagacity.testing.strategies import events, jsons

BARE = ErrorRecord(ErrorKind.EXCEPTION, "no")
FULL = ErrorRecord(ErrorKind.ACTION_FAILED, "n\u00f6", "Card", b'{"a":[1,null]}', "Traceback")

GOLDEN: Sequence[tuple[bytes, Event]] = (
    (b'["created","host/1/ab"]', Created("host/1/ab")),
    (b'["created",""]', Created("")),
    (b'["start_requested"]', StartRequested()),
    (b'["adopted","host/2/cd"]', Adopted("host/2/cd")),
    (b'["created","","ann@host"]', Created("", "ann@host")),
    (b'["released"]', Released()),
    (b'["start_requested",1700000000123]', StartRequested(1700000000123)),
    (b'["unwinding","node \\"a\\" failed"]', Unwinding('node "a" failed')),
    (b'["finished","succeeded"]', Finished(FinalState.SUCCEEDED)),
    (b'["finished","unwound"]', Finished(FinalState.UNWOUND)),
    (b'["finished","abandoned"]', Finished(FinalState.ABANDONED)),
    (b'["started",0,1]', Started(0, 1)),
    (b'["started",99999,12]', Started(99999, 12)),
    (b'["succeeded",3,{"a":[1,2.5,null,"x"]}]', Succeeded(3, b'{"a":[1,2.5,null,"x"]}')),
    (b'["succeeded",3,null]', Succeeded(3, b"null")),
    (b'["failed",3,"none",["exception","no","",false,null,""]]', Failed(3, BARE, Effect.NONE)),
    (
        '["failed",3,"possible",["action_failed","n\u00f6","Card",true,{"a":[1,null]},"Traceback"]]'
        .encode(),
        Failed(3, FULL, Effect.POSSIBLE),
    ),
    (b'["undo_started",3,1]', UndoStarted(3, 1)),
    (b'["undo_finished",3,"undone"]', UndoFinished(3, How.UNDONE)),
    (b'["undo_finished",3,"nothing"]', UndoFinished(3, How.NOTHING)),
    (b'["decided","abort",-1,"ann","why","r1"]', Decided("abort", -1, "ann", "why", "r1")),
    (
        b'["decided","set_output",2,"ann","","r2",{"a":1}]',
        Decided("set_output", 2, "ann", "", "r2", b'{"a":1}'),
    ),
    (b'["started",2,1,1700000009000]', Started(2, 1, 1700000009000)),
    (b'["undo_started",2,1,1700000009000]', UndoStarted(2, 1, 1700000009000)),
    (b'["started",2,1,0,5000]', Started(2, 1, expected_ms=5_000)),
    (b'["undo_started",2,1,1700000009000,60]', UndoStarted(2, 1, 1700000009000, 60)),
    (b'["adopted","host/2/cd",["no a","no b"]]', Adopted("host/2/cd", ("no a", "no b"))),
    (
        b'["attempt_failed",1,"possible",["timed_out","late","",false,null,""],1700000001000]',
        AttemptFailed(1, ErrorRecord(ErrorKind.TIMED_OUT, "late"), Effect.POSSIBLE, 1700000001000),
    ),
    (
        b'["undo_attempt_failed",1,["exception","no","",false,null,""],1700000001000]',
        UndoAttemptFailed(1, BARE, 1700000001000),
    ),
    (b'["undo_finished",3,"gone"]', UndoFinished(3, How.GONE)),
    (b'["heartbeat",2]', Heartbeat(2)),
    (b'["heartbeat",2,null]', Heartbeat(2, b"null")),
    (b'["heartbeat",2,{"page":7}]', Heartbeat(2, b'{"page":7}')),
    (b'["undo_failed",3,["exception","no","",false,null,""]]', UndoFailed(3, BARE)),
    (
        b'["undo_failed",3,["injected","no","",true,null,""]]',
        UndoFailed(3, ErrorRecord(ErrorKind.INJECTED, "no", data=b"null")),
    ),
)  # fmt: skip


@pytest.mark.parametrize(("text", "event"), GOLDEN, ids=lambda each: type(each).__name__)
def test_events_of_format_1_are_read_and_written_as_ever(text: bytes, event: Event) -> None:
    """A log written by this version is read by all that follow (promise 16)."""
    record = b"[1,1700000000123,7,[%b]]" % text
    assert decode_record(record) == (1700000000123, 7, [event])
    assert encode_record([event], time_ms=1700000000123, epoch=7) == record


def test_every_kind_of_event_has_a_golden_record() -> None:
    """A new kind cannot come without one."""
    assert {event.kind for _, event in GOLDEN} == set(EventKind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_is_read(kind: ErrorKind) -> None:
    """The words are part of the format."""
    event = UndoFailed(0, ErrorRecord(kind, "m"))
    assert decode_record(encode_record([event], time_ms=0, epoch=0))[2] == [event]
    assert {each.value for each in ErrorKind} >= {
        "action_failed", "exception", "injected", "input", "output", "cancelled",
    }  # fmt: skip


def test_a_record_holds_the_events_of_one_append() -> None:
    """In order."""
    record = b'[1,5,2,[["started",0,1],["succeeded",0,1],["finished","succeeded"]]]'
    assert decode_record(record)[2] == [
        Started(0, 1), Succeeded(0, b"1"), Finished(FinalState.SUCCEEDED)
    ]  # fmt: skip


def test_the_log_gives_each_event_its_place_and_writer() -> None:
    """The owner is that of the last `created` or `adopted`, from that event on."""
    records = [
        (1, b'[1,10,1,[["created","a"],["start_requested"]]]'),
        (3, b'[1,20,2,[["adopted","b"],["started",0,1]]]'),
    ]
    assert list(decode_log(records)) == [
        LoggedEvent(1, 10, 1, "a", Created("a")),
        LoggedEvent(2, 10, 1, "a", StartRequested()),
        LoggedEvent(3, 20, 2, "b", Adopted("b")),
        LoggedEvent(4, 20, 2, "b", Started(0, 1)),
    ]


@pytest.mark.parametrize("first", [0, 1, 2, 4])
def test_a_hole_in_the_log_is_log_corrupt(first: int) -> None:
    """A record that is missing, or there twice; the text names where."""
    created = b'[1,1,1,[["created",""],["start_requested"]]]'
    with pytest.raises(LogCorrupt, match=f"record at sequence {first}: expected sequence 3"):
        list(decode_log([(1, created), (first, b'[1,1,1,[["started",0,1]]]')]))


def test_a_damaged_record_is_named_by_its_sequence() -> None:
    """So that a person can look."""
    created = b'[1,1,1,[["created",""]]]'
    with pytest.raises(LogCorrupt, match="record at sequence 2: record is not JSON"):
        list(decode_log([(1, created), (2, b"x")]))


@pytest.mark.parametrize(
    "record",
    [
        b"", b"{", b"null", b"[]", b"{}", b"[1]", b"[1,1,1,[]]", b"[1,1,1,{}]",
        b'[1,1,1,["created"]]', b'["1",1,1,[["start_requested"]]]',
        b'[1,"1",1,[["start_requested"]]]', b'[1,1,null,[["start_requested"]]]',
        b'[1,1.5,1,[["start_requested"]]]', b'[1,1,1,[["start_requested"]],2]',
        b'[1,1,1,[["start_requested","1"]]]', b'[1,1,1,[["paused"]]]', b"[1,1,1,[[]]]",
        b'[1,1,1,[["created"]]]', b'[1,1,1,[["created",1]]]', b'[1,1,1,[["finished","stuck"]]]',
        b'[1,1,1,[["started",0]]]', b'[1,1,1,[["started","0",1]]]', b'[1,1,1,[["started",0,1.5]]]',
        b'[1,1,1,[["started",1e400,1]]]', b'[1,1,1,[["succeeded",0]]]',
        b'[1,1,1,[["undo_finished",0,"maybe"]]]', b'[1,1,1,[["undo_failed",0,[]]]]',
        b'[1,1,1,[["undo_failed",0,["odd","m","",false,null,""]]]]',
        b'[1,1,1,[["undo_failed",0,["input",1,"",false,null,""]]]]',
        b'[1,1,1,[["undo_failed",0,["input","m","",0,null,""]]]]',
        b'[1,1,1,[["failed",0,"some",["input","m","",false,null,""]]]]',
        b'[1,1,1,[["failed",0,["input","m","",false,null,""]]]]',
        # What a bool is in Python, and an engine of ours has never written.
        b'[true,1,1,[["start_requested"]]]', b'[1,true,1,[["start_requested"]]]',
        b'[1,1,false,[["start_requested"]]]', b'[1,1,1,[["started",true,1]]]',
        b'[1,1,1,[["started",0,true]]]', b'[1,1,1,[["succeeded",false,1]]]',
        b'[1,1,1,[["undo_finished",true,"undone"]]]', b'[1,1,1,[["undo_started",0,true]]]',
        b'[1,1,1,[["undo_failed",true,["input","m","",false,null,""]]]]',
        b'[1,1,1,[["failed",true,"none",["input","m","",false,null,""]]]]',
    ],
)  # fmt: skip
def test_what_we_cannot_have_written_is_log_corrupt(record: bytes) -> None:
    """Reading trusts nothing."""
    with pytest.raises(LogCorrupt):
        decode_record(record)


@pytest.mark.parametrize("form", [0, 2, -1, 99])
def test_a_record_of_another_format_is_refused_by_its_number(form: int) -> None:
    """An older build says what it met, and does not guess."""
    with pytest.raises(LogCorrupt, match=f"record of format {form}; this build reads format 1"):
        decode_record(b'[%d,"anything"]' % form)


@pytest.mark.parametrize("depth", [300, 900, 1_000, 1_020, 5_000])
@pytest.mark.parametrize(
    "form", [b"%b", b'[1,1,1,[["succeeded",0,%b]]]', b"[1,1,1,[%b]]", b"[1,1,1,%b]", b"[1,%b,1,1]"]
)
def test_depth_is_only_ever_log_corrupt(form: bytes, depth: int) -> None:
    """A value deeper than any that can be stored, wherever it stands."""
    with pytest.raises(LogCorrupt):
        decode_record(form % (b"[" * depth + b"]" * depth))


@given(st.lists(events(5), min_size=1, max_size=6), st.integers(0, 2**53), st.integers(0, 2**31))
def test_a_record_is_read_as_it_was_written(written: list[Event], time_ms: int, epoch: int) -> None:
    """Whatever the events are."""
    record = encode_record(written, time_ms=time_ms, epoch=epoch)
    assert decode_record(record) == (time_ms, epoch, written)
    assert encode_record(decode_record(record)[2], time_ms=time_ms, epoch=epoch) == record


@given(st.binary(max_size=60))
def test_bytes_are_only_ever_log_corrupt(record: bytes) -> None:
    """Nothing else is raised, whatever they are."""
    with contextlib.suppress(LogCorrupt):
        decode_record(record)


@given(st.lists(events(3), min_size=1, max_size=3), st.data())
def test_a_damaged_record_is_read_or_log_corrupt(written: list[Event], data: st.DataObject) -> None:
    """Bytes changed, cut out or put in: either it is a record still, or `LogCorrupt`."""
    record = bytearray(encode_record(written, time_ms=1, epoch=1))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(record)))
        length = data.draw(st.integers(0, 5))
        record[place : place + length] = data.draw(st.binary(max_size=5))
    try:
        time_ms, epoch, read = decode_record(bytes(record))
    except LogCorrupt:
        return
    assert decode_record(encode_record(read, time_ms=time_ms, epoch=epoch))[2] == read


@given(
    st.recursive(
        jsons(2), lambda inner: st.lists(inner).map(lambda each: b"[%b]" % b",".join(each))
    )
)
def test_any_json_in_the_place_of_an_event_is_read_or_log_corrupt(event: bytes) -> None:
    """Well-formed nonsense is nonsense."""
    with contextlib.suppress(LogCorrupt):
        decode_record(b"[1,1,1,[%b]]" % event)


def test_records_are_json_that_anyone_can_read() -> None:
    """No format of our own: other tools may look at a log."""
    record = encode_record([event for _, event in GOLDEN], time_ms=1, epoch=2)
    assert [event[0] for event in orjson.loads(record)[3]] == [
        event.kind.value for _, event in GOLDEN
    ]
