"""The docs are true: their code runs, and what is drawn from the code is up to date."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sagacity import participants
from sagacity.participants import statements
from sagacity.testing import context

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    if page.name != "0000-template.md"
)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def run_in(
    folder: Path, *arguments: str, store: str = "sqlite:///trips.db"
) -> subprocess.CompletedProcess[str]:
    """Run Python as a reader of the README does."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "SAGACITY_STORE": store},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_saga_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    """Its commands and its program print the README's output."""
    trips, program = blocks(ROOT / "README.md", "python")
    _, shown, shown_by_program = blocks(ROOT / "README.md", "text")
    (tmp_path / "trips.py").write_text(trips)
    (tmp_path / "program.py").write_text(program)

    short = run_in(tmp_path, "-m", "sagacity", "run", "trips:book_trip", "--params", "3")
    long = run_in(tmp_path, "-m", "sagacity", "run", "trips:book_trip", "--params", "30")
    ran = run_in(tmp_path, "program.py")

    assert short.stdout == shown
    assert "cancelled hotel for 30 days\ncancelled flight for 30 days\n" in long.stderr
    assert (ran.stdout, ran.stderr) == (shown_by_program, "")


def test_the_first_saga_of_the_readme_is_short() -> None:
    """Twenty lines, with those that the formatter leaves blank."""
    assert len(blocks(ROOT / "README.md", "python")[0].splitlines()) <= 20


def test_the_program_of_the_policies_runs(tmp_path: Path) -> None:
    """Its parts are one program; the second attempt succeeds."""
    (tmp_path / "program.py").write_text("\n".join(blocks(ROOT / "docs/policies.md", "python")))

    ran = run_in(tmp_path, "program.py")

    assert (ran.stdout, ran.stderr) == ("charged 420\n", "")


def test_the_program_of_the_data_page_runs(tmp_path: Path) -> None:
    """A secret that is printed is masked, through a codec too."""
    (tmp_path / "program.py").write_text("\n".join(blocks(ROOT / "docs/data.md", "python")))

    ran = run_in(tmp_path, "program.py")

    assert (ran.stdout, ran.stderr) == ("*** 31\n", "")


def test_the_program_of_the_limits_runs(tmp_path: Path) -> None:
    """Its limits fit its types."""
    (tmp_path / "program.py").write_text("\n".join(blocks(ROOT / "docs/limits.md", "python")))

    ran = run_in(tmp_path, "program.py")

    assert (ran.stdout, ran.stderr) == ("charged 420\n", "")


def test_the_program_of_the_page_on_transactions_runs(tmp_path: Path, postgres_url: str) -> None:
    """A saga that is started with a purchase, and an action that takes stock."""
    page = ROOT / "docs/transactions.md"
    (tmp_path / "program.py").write_text("\n".join(blocks(page, "python")))
    (shown,) = blocks(page, "text")

    ran = run_in(tmp_path, "program.py", store=postgres_url)

    assert (ran.stdout, ran.stderr) == (shown, "")


def test_the_services_of_the_page_on_participants_do_what_it_says(tmp_path: Path) -> None:
    """Its parts are one program, which prints what the page shows: overtaken, stale, and by HTTP."""
    page = ROOT / "docs/participants.md"
    (tmp_path / "program.py").write_text("\n".join(blocks(page, "python")))

    ran = run_in(tmp_path, "program.py")

    assert (ran.stdout, ran.stderr) == ("".join(blocks(page, "text")), "")


async def test_the_service_on_postgresql_of_the_page_on_participants_books(
    postgres_url: str,
) -> None:
    """The driver's own connection and transaction are all that it takes."""
    (block,) = [
        each for each in blocks(ROOT / "docs/participants.md", "python") if "ASYNCPG" in each
    ]
    names: dict[str, Any] = {"json": json, **vars(participants)}
    exec(block, names)
    asyncpg: Any = import_module("asyncpg")
    connection = await asyncpg.connect(postgres_url)
    try:
        await participants.ASYNCPG.create(connection)
        await connection.execute("CREATE TABLE seats (seat TEXT PRIMARY KEY)")
        headers = participants.headers_for(context())
        booked = await names["book_on_postgresql"](connection, headers, b'{"seat": "12A"}')
    finally:
        await connection.close()

    assert booked == [201, "12A"]


def test_the_page_on_participants_has_the_statements_that_are_used() -> None:
    """Services in other languages copy them."""
    shown = "".join(blocks(ROOT / "docs/participants.md", "sql"))
    used = [
        statements.TABLE_POSTGRESQL,
        statements.INDEX,
        statements.FENCE,
        statements.ADMIT,
        statements.REMEMBER,
        statements.FORGET_POSTGRESQL,
    ]

    assert shown.replace(";\n\n", ";\n") == "".join(f"{statement};\n" for statement in used)


def alike(text: str) -> str:
    """Return output without what differs from run to run: times, and names of coordinators."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( \((now|\d+ s ago)\))?", "TIME", text)
    text = re.sub(r"stuck, unwinding  (now|\d+ s ago)", "stuck, unwinding  AGO", text)
    text = re.sub(r"TIME by \S+", "TIME by WHO", text)
    text = re.sub(r"tries again; it is \w+", "tries again; it is STATE", text)
    return re.sub(r"\S+/\d+/[0-9a-f]+, epoch", "OWNER, epoch", text)


def test_a_stuck_saga_is_mended_as_the_page_for_operations_shows(tmp_path: Path) -> None:
    """Each command of the walk, beside a worker in another process, prints what the page prints."""
    page = ROOT / "docs/operations.md"
    (module,) = [each for each in blocks(page, "python") if "def ticket" in each]
    (shown,) = [each for each in blocks(page, "text") if "What it is" in each]
    (tmp_path / "tickets.py").write_text(module)
    saga_id = "0190a3de-0000-7000-8000-000000000001"
    place = ("--store", "sqlite:///sagacity.db")
    cli = ("-m", "sagacity")
    worker = subprocess.Popen(
        [sys.executable, *cli, "worker", "tickets", *place],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert worker.stdout is not None
        worker.stdout.readline()  # it drives the store now
        run_in(tmp_path, *cli, "run", "tickets:ticket", "--label", "show=Hamlet",
               "--id", saga_id, *place)  # fmt: skip
        told: list[str] = []
        for line in re.findall(r"^\$ (.*)$", shown, re.MULTILINE):
            told.append(f"$ {line}\n")
            program, *words = shlex.split(line)
            if program == "touch":
                (tmp_path / words[0]).touch()
                continue
            told.append(run_in(tmp_path, *cli, *words, *place).stdout)
            if words[0] == "retry" and "--dry-run" not in words:
                run_in(tmp_path, *cli, "watch", saga_id, "-q", *place)
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
    assert alike("".join(told)).replace("python -m sagacity", "sagacity") == alike(shown)


def test_the_pager_of_the_page_for_operations_pages(tmp_path: Path) -> None:
    """Its class, on the page's saga that gets stuck."""
    page = ROOT / "docs/operations.md"
    (ticket,) = [each for each in blocks(page, "python") if "def ticket" in each]
    (pager,) = [each for each in blocks(page, "python") if "class Pager" in each]
    run = """
import asyncio
from sagacity import Sec, open_store

async def main():
    async with Sec(open_store("memory://"), [ticket], observers=[Pager()]) as sec:
        handle = await sec.create(ticket)
        await handle.start()
        await handle.wait()

asyncio.run(main())
"""
    (tmp_path / "program.py").write_text(f"{ticket}\n{pager}\n{run}")

    ran = run_in(tmp_path, "program.py")

    assert re.fullmatch(r"page: ticket [0-9a-f-]{36} is stuck: undo_failed\n", ran.stdout), ran


def test_the_state_machine_is_drawn_from_the_table() -> None:
    """`python docs/make_state_machine.py` would change nothing."""
    made = runpy.run_path(str(ROOT / "docs" / "make_state_machine.py"))

    assert made["PAGE"].read_text(encoding="utf-8") == made["page"]()


def test_the_table_of_decisions_is_made_from_the_code() -> None:
    """`python docs/make_decisions.py` would change nothing."""
    made = runpy.run_path(str(ROOT / "docs" / "make_decisions.py"))

    assert made["PAGE"].read_text(encoding="utf-8") == made["page"]()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """No page links to a file that is not there."""
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))

    missing = [link for link in links if not (page.parent / link).exists()]

    assert missing == []
