"""No command shows a secret, whatever becomes of the saga; and the actions get the real one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

Sagacity = Callable[..., Any]
Document = Callable[..., Any]

ID = "0190a3de-0000-7000-8000-000000000001"
VAULT = Path(__file__).with_name("vault.py")
EXIT_CODES = {"": 0, "store": 3, "unknown": 4}


@pytest.fixture(params=["fill", "fill_salted"])
def saga_name(request: pytest.FixtureRequest, here: Path) -> str:
    shutil.copy(VAULT, here / "vault.py")
    return str(request.param)


def params(fails: str) -> str:
    return orjson.dumps({"user": "ann", "password": "hunter2", "fails": fails}).decode()


@pytest.mark.parametrize("fails", EXIT_CODES)
def test_no_command_shows_a_secret(
    sagacity: Sagacity, saga_name: str, fails: str, here: Path
) -> None:
    """Where each would be there are stars; people give the plain value."""
    run = ("run", f"vault:{saga_name}", "--params", params(fails), "--id", ID)
    followed = sagacity(*run)
    assert followed.exit_code == EXIT_CODES[fails]
    sagacity("export", ID, "-o", "saga.jsonl")
    results = [
        followed,
        sagacity(*run, "--json"),
        *[
            sagacity(*words, *more)
            for words in (
                ("show", ID), ("show", "-v", ID), ("why", ID), ("log", "-v", ID), ("log", ID), ("watch", ID), ("list",),
                ("graph", ID), ("plan", ID), ("abandon", "--dry-run", ID),
                ("check", "vault"), ("import", "saga.jsonl"),
            )
            for more in ((), ("--json",))
        ],
    ]  # fmt: skip
    told = "".join(result.output for result in results) + (here / "saga.jsonl").read_text()
    assert "***" in told
    assert "hunter" not in told
    assert "6660666" not in told
    shown = orjson.loads(sagacity("show", ID, "--json").stdout)
    assert shown["params"] == {"user": "ann", "password": "***", "fails": fails}
    if not fails:
        assert shown["outcome"]["output"] == ["***"]
    if fails == "store":
        assert shown["errors"][0]["data"] == {"token": "***", "user": "ann"}


def test_an_export_says_what_is_masked(sagacity: Sagacity, saga_name: str, here: Path) -> None:
    """As places in the document."""
    sagacity("run", f"vault:{saga_name}", "--params", params(""), "--id", ID, "-q")
    sagacity("export", ID, "-o", "saga.jsonl")
    line = orjson.loads((here / "saga.jsonl").read_bytes())
    assert line["params"]["password"] == {"$secret": "***"}
    assert line["masked"][0] == "params.password"
    assert ("constants[0]" in line["masked"]) == (saga_name == "fill_salted")
    assert sum(place.startswith("records[") for place in line["masked"]) == 2


def test_a_saga_that_had_ended_is_imported_without_its_secrets(
    sagacity: Sagacity, document: Document, saga_name: str
) -> None:
    """It is there to be looked at, and looks as it did; exported again, the same is masked."""
    sagacity("run", f"vault:{saga_name}", "--params", params(""), "--id", ID, "-q")
    sagacity("export", ID, "-o", "saga.jsonl")
    other = ("--store", "sqlite:///other.db")
    assert sagacity("import", "saga.jsonl", *other).exit_code == 0
    assert document("show", ID, *other)["outcome"] == document("show", ID)["outcome"]
    sagacity("export", ID, "-o", "again.jsonl", *other)
    first, second = (
        orjson.loads(Path(name).read_bytes())["masked"] for name in ("saga.jsonl", "again.jsonl")
    )
    assert first == second


def test_a_saga_that_had_not_ended_is_not_imported_without_its_secrets(
    sagacity: Sagacity, saga_name: str
) -> None:
    """It could not go on: its actions would get stars."""
    sagacity("run", f"vault:{saga_name}", "--params", params("unknown"), "--id", ID, "-q")
    sagacity("export", ID, "-o", "saga.jsonl")
    refused = sagacity("import", "saga.jsonl", "--store", "sqlite:///other.db")
    assert refused.exit_code == 1
    assert "it has not ended, and its secrets are not in an export" in refused.stderr
    assert "params.password" in refused.stderr
    listed = sagacity("list", "--store", "sqlite:///other.db", "--json").stdout
    assert ID not in listed


def test_params_that_do_not_fit_are_not_shown(sagacity: Sagacity, saga_name: str) -> None:
    """The error says which field."""
    wrong = '{"user": "ann", "password": ["hunter2"]}'
    refused = sagacity("run", f"vault:{saga_name}", "--params", wrong)
    assert refused.exit_code == 1
    assert "password" in refused.stderr
    assert "hunter" not in refused.output
