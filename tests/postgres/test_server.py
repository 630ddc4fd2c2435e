import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.postgres.keeper import KeptServer
from tests.postgres.server import Server

ROOT = Path(__file__).resolve().parents[2]

USE_AND_WAIT = """
import sys
from pathlib import Path
from tests.postgres.keeper import KeptServer
kept = KeptServer(Path(sys.argv[1]))
print(kept.url, flush=True)
sys.stdin.read()
"""


def asked(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        (answer,) = connection.execute(question.encode()).fetchone() or (None,)
        return answer


def test_the_server_flushes_what_it_commits(postgres_url: str) -> None:
    """Figures and crashes on a server that does not would say nothing."""
    assert asked(postgres_url, "SHOW fsync") == "on"
    assert asked(postgres_url, "SHOW synchronous_commit") == "on"


def test_a_killed_server_starts_again_with_what_it_had() -> None:
    """A test may kill the postmaster and go on at the same URL."""
    server = Server()
    try:
        server.start()
        url = server.url()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        server.start()
        assert asked(url, "SELECT number FROM kept") == 7
    finally:
        server.remove()
    assert not server.log.exists()


def test_processes_share_a_server_that_ends_with_the_last(tmp_path: Path) -> None:
    """Even when they are killed no server is left behind."""
    with subprocess.Popen(
        [sys.executable, "-c", USE_AND_WAIT, tmp_path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        url = other.stdout.readline().strip()
        kept = KeptServer(tmp_path)
        assert kept.url == url
        folder = asked(url, "SHOW data_directory")
        other.send_signal(signal.SIGKILL)
    assert asked(url, "SELECT 1") == 1
    postmaster = int(Path(f"{folder}/postmaster.pid").read_text().split()[0])
    end = os.pidfd_open(postmaster)
    kept.close()
    assert select.select([end], [], [], 30)[0], "it is still there"
    os.close(end)
