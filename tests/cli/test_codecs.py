"""`--codec MODULE:NAME`: the command line on a store whose payloads are encoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Sagacity = Callable[..., Any]
Document = Callable[..., Any]

ID = "0190a3de-0000-7000-8000-000000000001"
RUN = ("run", "trips:one_step", "--params", '{"who": "hunter"}', "--id", ID, "-q")
KEYS = """
from tests.stores.codecs import KeyedCodec

old = KeyedCodec("key 1")
def both():
    return [KeyedCodec("key 2"), old]
number = 3
"""


@pytest.fixture(autouse=True)
def keys(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "keys.py").write_text(KEYS)
    monkeypatch.delenv("SAGACITY_CODEC", raising=False)


def test_every_command_reads_what_the_codec_wrote(
    sagacity: Sagacity, document: Document, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by the option or by the environment; an object, or a function that makes several."""
    assert sagacity(*RUN, "--codec", "keys:old").exit_code == 0
    assert b"hunter" not in (here / "sagacity.db").read_bytes()
    assert document("show", ID, "--codec", "keys:both")["params"]["who"] == "hunter"
    monkeypatch.setenv("SAGACITY_CODEC", "keys:old")
    assert document("show", ID)["params"]["who"] == "hunter"
    assert sagacity("export", ID, "-o", "saga.jsonl").exit_code == 0
    monkeypatch.delenv("SAGACITY_CODEC")
    assert sagacity("import", "saga.jsonl", "--store", "sqlite:///other.db").exit_code == 0
    assert document("show", ID, "--store", "sqlite:///other.db")["params"]["who"] == "hunter"


@pytest.mark.parametrize("words", [("show", ID), ("log", ID), ("export", ID, "-o", "a"), RUN])
def test_without_the_codec_there_is_one_clear_error(
    sagacity: Sagacity, words: tuple[str, ...]
) -> None:
    """It says which codec it was, and how to give it; lists need none."""
    sagacity(*RUN, "--codec", "keys:old")
    refused = sagacity(*words)
    assert refused.exit_code == 1
    assert 'written with the codec "key 1"' in refused.stderr
    assert "--codec MODULE:NAME" in refused.stderr
    assert ID in sagacity("list", "--json").stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("keys", "is not MODULE:NAME"),
        ("nowhere:old", "there is no module 'nowhere'"),
        ("keys:none", "a codec has a name"),
        ("keys:number", "a codec has a name"),
    ],
)
def test_a_codec_that_is_not_there_is_refused(sagacity: Sagacity, name: str, told: str) -> None:
    """Before the store is touched."""
    refused = sagacity(*RUN, "--codec", name)
    assert refused.exit_code == 1
    assert told in refused.stderr
    assert not Path("sagacity.db").exists()


def test_a_command_to_copy_has_the_option(sagacity: Sagacity) -> None:
    """If it was typed: what the environment says is there the next time, too."""
    stuck = '{"who": "me", "fails": "undo hotel"}'
    run = ("run", "trips:book_trip", "--params", stuck, "--id", ID, "-q")
    sagacity(*run, "--inject-error", "booking/car", "--codec", "keys:old")
    shown = " ".join(sagacity("show", ID, "--codec", "keys:old").stdout.split())
    assert f"sagacity retry {ID} booking/hotel --store sqlite:///sagacity.db --codec keys:old" in (
        shown
    )
