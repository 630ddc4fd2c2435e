"""What `--json` prints is what the documentation says."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from pydantic import TypeAdapter

from sagacity.cli import json_documents as documents
from sagacity.cli.app import COMMANDS, cli
from sagacity.cli.error_kinds import kind_of
from sagacity.cli.why_documents import WhyDocument
from sagacity.errors import StoreBusy

Sagacity = Callable[..., Any]
Document = Callable[..., Any]

ROOT = Path(__file__).parents[2]
ID = "0190a3de-0000-7000-8000-000000000001"
STUCK_ID = "0190a3de-0000-7000-8000-000000000002"
STUCK = '{"who": "me", "fails": "undo hotel"}'
BAD = '{"who": "me", "fails": "do car"}'

CALLS: list[tuple[type, int, list[str]]] = [
    (documents.FollowDocument, 0, ["run", "trips:one_step", "--params", '{"who": "me"}']),
    (documents.FollowDocument, 3, ["watch", ID]),
    (documents.SagaDocument, 0, ["show", ID]),
    (documents.ListDocument, 0, ["list"]),
    (documents.LogDocument, 0, ["log", ID]),
    (documents.GraphDocument, 0, ["graph", ID]),
    (documents.GraphDocument, 0, ["graph", "trips:book_trip"]),
    (documents.CheckDocument, 0, ["check", "trips", "--store", "sqlite:///sagacity.db"]),
    (documents.ExportDocument, 0, ["export", "--all", "-o", "sagas.jsonl"]),
    (documents.ImportDocument, 0, ["import", "ready.jsonl", "--store", "sqlite:///other.db"]),
    (documents.DecisionDocument, 0, ["abandon", STUCK_ID, "--reason", "a ticket"]),
    (WhyDocument, 0, ["why", STUCK_ID]),
    (WhyDocument, 0, ["why", ID]),
    (documents.ListDocument, 0, ["list", "--stuck", "--hung", "--orphaned"]),
    (documents.GcDocument, 0, ["gc", "--older-than", "1s", "--dry-run"]),
    (documents.DemoDocument, 0, ["demo", "--pace", "0"]),
    (documents.ErrorDocument, 1, ["show", "nope"]),
]


@pytest.mark.parametrize(
    ("kind", "exit_code", "words"), CALLS, ids=[" ".join(words[:2]) for _, _, words in CALLS]
)
def test_a_document_is_of_its_documented_kind(
    sagacity: Sagacity, document: Document, kind: type, exit_code: int, words: list[str]
) -> None:
    """All fields are there and of their types, and there are no others."""
    sagacity("run", "trips:book_trip", "--params", BAD, "--id", ID, "-q")
    sagacity("run", "trips:book_trip", "--params", STUCK, "--id", STUCK_ID, "-q",
             "--inject-error", "booking/car")  # fmt: skip
    sagacity("export", ID, "-o", "ready.jsonl")

    printed = document(*words, exit_code=exit_code)

    read: Any = TypeAdapter(kind).validate_python(printed, strict=False)
    assert orjson.loads(orjson.dumps(read)) == printed


def test_the_documents_tell_what_happened(sagacity: Sagacity, document: Document) -> None:
    """A saga that unwound, field by field where it matters."""
    sagacity("run", "trips:book_trip", "--params", BAD, "--id", ID, "-q")

    shown = document("show", ID)

    assert shown["outcome"] == {"kind": "unwound", "output": None, "reason": None, "by": None}
    assert shown["params"] == {"who": "me", "nights": 1, "fails": "do car"}
    (error,) = shown["errors"]
    assert (error["node"], error["kind"], error["message"]) == (
        "booking/car",
        "action_failed",
        "no car left",
    )
    assert (error["data"], error["effect"], error["undo"]) == ({"left": 0}, "none", False)
    statuses = {node["path"]: node["status"] for node in shown["nodes"]}
    assert statuses == {
        "charge": "undone",
        "booking": "never_started",
        "booking/hotel": "undone",
        "booking/car": "failed",
        "booking/booked": "never_started",
        "summarize": "never_started",
    }


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["run"], "usage"),
        (["list", "--limit", "many"], "usage"),
        (["list", "--nonsense"], "usage"),
        (["list", "--label", "no"], "usage"),
        (["nonsense"], "usage"),
        (["show", "not-an-id"], "refused"),
        (["check", "no_such_module"], "refused"),
        (["list", "--store", "sqlite:///not-there.db"], "refused"),
        (["show", ID], "no_such_saga"),
        (["run", "trips:one_step", "--params", BAD, "--inject-error", "no"], "no_such_node"),
        (["import", "not-there.jsonl"], "system"),
        (["run", "trips:one_step", "--params", BAD, "--store", "sqlite:///a/b.db"], "store"),
    ],
)
def test_the_kind_of_an_error_is_a_documented_word(
    sagacity: Sagacity, document: Document, words: list[str], kind: str
) -> None:
    """Not the class of a library, which is nobody's promise."""
    sagacity("run", "trips:one_step", "--params", '{"who": "me"}')

    assert document(*words, exit_code=1)["error"]["kind"] == kind
    assert f"| `{kind}` |" in (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_nearest_class_gives_the_word() -> None:
    """So that an error that is added later has a kind, if not yet one of its own."""
    assert kind_of(StoreBusy("busy")) == "store_busy"
    assert kind_of(PermissionError(13, "no")) == "system"
    assert kind_of(ZeroDivisionError()) == "bug"


def test_the_page_is_made_from_the_code() -> None:
    """`python docs/make_cli_reference.py` would change nothing."""
    made = runpy.run_path(str(ROOT / "docs" / "make_cli_reference.py"))

    assert made["PAGE"].read_text(encoding="utf-8") == made["page"]()


def test_every_command_and_option_is_documented() -> None:
    """Each command has a help text, and each option says what it does."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert f"\n### {name}\n" in page
        assert command.help
        assert command.help.startswith(COMMANDS[name][1])
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.help, f"{name} {parameter.opts}"
                assert all(opt in page for opt in parameter.opts)


def test_every_command_has_json() -> None:
    """So that a script can use all of them."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert any("--json" in parameter.opts for parameter in command.params), name
