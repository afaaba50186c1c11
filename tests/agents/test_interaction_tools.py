"""Tools that reach out of a conversation: what they do, what they refuse, and the trace they leave."""

import asyncio
import json
import logging
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rostra.agents import BadTool, Context
from rostra.agents.tools import http
from rostra.agents.tools.config import ToolConfig
from rostra.agents.tools.kit import make_tool


async def used(tool_config: dict[str, Any], base: Path, chat: str = "", **arguments: Any) -> str:
    tool = make_tool("it", msgspec.convert(tool_config, ToolConfig), base)
    return await tool.run(json.dumps(arguments), Context(agent="ann", chat=chat))


# ---- sql


@pytest.fixture
def library(tmp_path: Path) -> Path:
    db = sqlite3.connect(tmp_path / "library.db")
    db.executescript("CREATE TABLE book (title, year); INSERT INTO book VALUES ('Emma', 1815), ('Ulysses', 1922);")
    db.close()
    return tmp_path


SQL = {"use": "sql", "database": "library.db"}


async def test_a_database_is_asked(library: Path) -> None:
    answer = await used(SQL, library, sql="SELECT title, year FROM book WHERE year < 1900")
    assert json.loads(answer) == {"columns": ["title", "year"], "rows": [["Emma", 1815]]}
    assert "CREATE TABLE book" in await used(SQL, library, sql="SELECT sql FROM sqlite_schema")
    assert "title" in await used(SQL, library, sql="PRAGMA table_info(book)")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM book",
        "INSERT INTO book VALUES ('x', 1)",
        "UPDATE book SET year = 1",
        "DROP TABLE book",
        "CREATE TABLE x (y)",
        "ATTACH '/etc/passwd' AS x",
        "VACUUM INTO 'copy.db'",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = DELETE",
        "SELECT 1; DELETE FROM book",
        "SELECT load_extension('x')",
        "WITH x AS (SELECT 1) DELETE FROM book",
        "SELECT writefile('x', 'y')",
    ],
)
@pytest.mark.parametrize("write", [False, True])
async def test_a_database_is_only_read_and_with_leave_only_its_rows_are_changed(library: Path, sql: str, write: bool) -> None:
    before = sorted(os.listdir(library))
    answer = await used({**SQL, "write": write}, library, sql=sql)
    changes_rows = sql.split()[0] in ("DELETE", "INSERT", "UPDATE", "WITH")
    assert answer.startswith("Error: SqlRefused") != (write and changes_rows)
    assert sorted(os.listdir(library)) == before
    if not write:
        assert json.loads(await used(SQL, library, sql="SELECT count(*) FROM book"))["rows"] == [[2]]


async def test_an_endless_statement_and_an_endless_answer_are_cut(library: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"
    began = time.monotonic()
    assert "ran for more than 0.2 s" in await used({**SQL, "seconds": 0.2}, library, sql=endless.format("count(*)"))
    assert time.monotonic() - began < 20
    answer = await used({**SQL, "rows": 3}, library, sql=endless.format("x"))
    assert answer.endswith('"rows":[[1],[2],[3]]}\n(only the first 3 rows)')
    assert "Error" in await used(SQL, library, sql="SELECT zeroblob(100000000)")
    wide = endless.format("printf('%90000s', x)")
    assert len(await used(SQL, library, sql=wide)) < 200_000
    assert "Error" in await used(
        {**SQL, "seconds": 2}, library, sql=endless.format("x, printf('%90000s', x) AS s") + " ORDER BY s"
    )


# ---- files


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    (tmp_path / "notes" / "a.txt").write_text("hello")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "notes" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "notes" / "out").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "notes" / "pipe")
    return tmp_path


FILES = {"use": "files", "root": "notes", "write": True}


async def test_files_below_the_directory_are_listed_read_and_written(notes: Path) -> None:
    assert await used(FILES, notes, action="list") == "a.txt (5 bytes)\ndeep/"
    assert await used(FILES, notes, action="read", path="a.txt") == "hello"
    assert await used(FILES, notes, action="write", path="new/b.txt", content="bye") == "3 bytes written"
    assert (notes / "notes/new/b.txt").read_text() == "bye"
    assert await used({**FILES, "max_kb": 1}, notes, action="write", path="c", content="x" * 1025) != "1025 bytes written"


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link", "out/secret", "deep/../../secret", "pipe", "a.txt/x", "\0"])
@pytest.mark.parametrize("action", ["read", "write"])
async def test_no_path_and_no_link_leads_out_of_the_directory(notes: Path, path: str, action: str) -> None:
    answer = await used(FILES, notes, action=action, path=path, content="overwritten")
    assert answer.startswith("Error: ")
    assert "secret" not in answer.replace(path, "")
    assert (notes / "secret").read_text() == "secret"


async def test_without_leave_nothing_is_written_and_a_long_file_is_read_in_parts(notes: Path) -> None:
    read_only = {"use": "files", "root": "notes", "max_kb": 1}
    assert (await used(read_only, notes, action="write", path="x", content="y")).startswith("Error: ")
    (notes / "notes" / "long").write_text("x" * 1024 + "end")
    assert (await used(read_only, notes, action="read", path="long")).endswith("(3 more bytes, from 1024 on)")
    assert await used(read_only, notes, action="read", path="long", offset=1024) == "end"


# ---- http


class Site(BaseHTTPRequestHandler):
    """`/to?URL` redirects, `/slow` sends a byte at a time, everything else is said back."""

    def do_GET(self) -> None:
        path, _, target = self.path.partition("?")
        if path == "/to":
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        try:
            for _ in range(600 if path == "/slow" else 1):
                self.wfile.write(self.path.encode() * (10_000 if path == "/long" else 1))
                self.wfile.flush()
                if path == "/slow" and self.server.over.wait(0.05):  # type: ignore[attr-defined]
                    return
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.over = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


async def test_an_allowed_host_is_asked_and_its_redirects_followed(site: str, tmp_path: Path) -> None:
    config = {"use": "http", "hosts": [site], "private": True}
    assert await used(config, tmp_path, url=f"http://{site}/x?y=1") == "200 OK\ntext/plain\n\n/x?y=1"
    assert (await used(config, tmp_path, url=f"http://{site}/to?/there")).endswith("\n/there")
    assert "more than 5 redirects" in await used(config, tmp_path, url=f"http://{site}/to?/to?/to?/to?/to?/to?/to?/x")
    assert "(cut after 1024 bytes)" in await used({**config, "max_kb": 1}, tmp_path, url=f"http://{site}/long")
    assert "method POST is not allowed" in await used(config, tmp_path, url=f"http://{site}/", method="POST")


async def test_no_answer_keeps_its_connection(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[HTTPResponse] = []

    class Kept(HTTPResponse):
        def begin(self) -> None:
            answers.append(self)
            super().begin()

    monkeypatch.setattr(HTTPConnection, "response_class", Kept)
    config = {"use": "http", "hosts": [site], "private": True, "max_kb": 1, "seconds": 0.3}
    for path in ("x", "to?/there", "to?http://other.test/", "long", "slow"):
        await used(config, tmp_path, url=f"http://{site}/{path}")
    assert len(answers) == 6
    assert all(answer.isclosed() for answer in answers)


async def test_a_server_that_never_ends_is_cut_off(site: str, tmp_path: Path) -> None:
    config = {"use": "http", "hosts": [site], "private": True, "seconds": 0.3}
    began = time.monotonic()
    answer = await used(config, tmp_path, url=f"http://{site}/slow")
    assert time.monotonic() - began < 15
    assert len(answer) < 2000


async def test_a_private_address_is_refused_after_resolution_and_on_a_redirect(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(site.rpartition(":")[2])
    config = {"use": "http", "hosts": [site, f"public.test:{port}", f"other.test:{port}"]}
    assert "127.0.0.1, which is in a private network" in await used(config, tmp_path, url=f"http://{site}/")

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if host != "meta.test" else "169.254.169.254", port))]

    monkeypatch.setattr("rostra.agents.tools.http.socket.getaddrinfo", resolve)
    assert "private network" in await used(config, tmp_path, url=f"http://public.test:{port}/")
    open_ = {**config, "private": True}
    assert "the host evil.test" in await used(open_, tmp_path, url=f"http://public.test:{port}/to?http://evil.test:{port}/")
    assert "only http and https" in await used(open_, tmp_path, url=f"http://public.test:{port}/to?file:///etc/passwd")
    first = [True]

    def half(address: str) -> bool:
        return first.pop() if first else http_public(address)

    http_public = http.public
    monkeypatch.setattr(http, "public", half)
    answer = await used(config, tmp_path, url=f"http://public.test:{port}/to?http://other.test:{port}/")
    assert "other.test is 127.0.0.1, which is in a private network" in answer


@pytest.mark.parametrize(
    "url",
    ["http://u:p@a.test/", "ftp://a.test/", "http:///x", "http://b.test/", "http://a.test:22/", "http://a.test/\r\nX: y", "x"],
)
async def test_a_url_that_is_not_allowed_is_not_asked(url: str, tmp_path: Path) -> None:
    assert "Error: HttpRefused" in await used({"use": "http", "hosts": ["a.test"], "private": True}, tmp_path, url=url)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_private_addresses_are_known_in_every_disguise(address: str, expected: bool) -> None:
    assert http.public(address) is expected


# ---- shell, python, and what all have in common


async def test_code_runs_in_the_sandbox_and_calls_of_a_chat_share_its_directory(sandbox: None, tmp_path: Path) -> None:
    tool = make_tool("it", ToolConfig(use="shell"), tmp_path)
    context = Context(agent="ann", chat="c")
    assert await tool.run('{"code": "echo 42 > x; pwd"}', context) == "exit code 0\n/sandbox\n"
    assert await tool.run('{"code": "cat x; exit 3"}', context) == "exit code 3\n42\n"
    calls = [tool.run(json.dumps({"code": f"echo {n} >> log; cat log"}), context) for n in range(3)]
    assert sorted(len(answer.split()) for answer in await asyncio.gather(*calls)) == [4, 5, 6]
    assert "exit code 0\n6\n" in await used({"use": "python"}, tmp_path, code="print(2 * 3)")


async def test_every_call_leaves_a_trace(library: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rostra.audit"):
        await used(SQL, library, chat="c7", sql="SELECT 1")
        await used(SQL, library, chat="c7", sql="DROP TABLE book")
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "rostra.audit"]
    assert [(line["tool"], line["agent"], line["chat"]) for line in lines] == [("it", "ann", "c7")] * 2
    assert json.loads(lines[1]["arguments"])["sql"] == "DROP TABLE book"
    assert lines[1]["outcome"].startswith("Error: SqlRefused")


@pytest.mark.parametrize("use", ["sql", "http", "files"])
def test_a_tool_without_what_it_needs_is_refused(use: Any, tmp_path: Path) -> None:
    with pytest.raises(BadTool, match=f"uses {use} needs"):
        make_tool("it", ToolConfig(use=use), tmp_path)
