"""A PostgreSQL server of the tests' own: in a directory below /tmp, on a Unix socket, and gone with the tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

PASSWORD = "pass word/of:owner"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=20")


class NoServer(RuntimeError):
    """There is no PostgreSQL server to start here."""


class PostgresServer:
    """A server that runs; `owner` is its superuser, in whose name the tests look at it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._db = psycopg.connect(self.url(), autocommit=True)

    def close(self) -> None:
        """Let go of it."""
        self._db.close()

    def url(self, role: str = "owner", password: str = PASSWORD) -> str:
        """The URL of its database for a role."""
        return f"postgresql://{role}:{quote(password, safe='')}@/postgres?host={quote(str(self.directory), safe='')}"

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as its superuser; the rows of the last one, if it has any."""
        for statement in statements:
            cursor = self._db.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server and stop it. Raises `NoServer`."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: float(path.parent.name))
    server_program = shutil.which("postgres")
    programs = Path(server_program).resolve().parent if server_program else programs
    if not programs or not (programs / "postgres").exists():
        raise NoServer("there is no PostgreSQL server here (on Debian and Ubuntu: apt install postgresql)")
    # It refuses to run as root.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="rostra-pg-", dir="/tmp") as name:
        directory = Path(name)
        (directory / "password").write_text(PASSWORD)
        if user:
            for path in (directory, directory / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        whom: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        with (directory / "log").open("wb") as log:

            def start(program: str, *arguments: str) -> "subprocess.Popen[bytes]":
                command = [str(programs / program), "-D", str(directory / "data"), *arguments]
                return subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}, **whom)

            made = start(
                "initdb", "-U", "owner", "-A", "scram-sha-256", "--pwfile", str(directory / "password"), "-N", "-E", "UTF8"
            )
            if made.wait(60):
                raise RuntimeError((directory / "log").read_text())
            options = [f"unix_socket_directories={directory}", "listen_addresses=", *FAST]
            server = start("postgres", *(part for option in options for part in ("-c", option)))
            try:
                ready = [str(programs / "pg_isready"), "-q", "-h", str(directory), "-t", "1"]
                while subprocess.run(ready, check=False).returncode:
                    if server.poll() is not None:
                        raise RuntimeError((directory / "log").read_text())
                with closing(PostgresServer(directory)) as running:
                    yield running
            finally:
                server.send_signal(signal.SIGQUIT)  # at once
                server.wait(30)
