"""The body of a process: how it ends, and what it says. Each runs in an interpreter of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from rostra.team.exits import ExitCode
from rostra.team.os_process import LOG_BYTES
from rostra.team.process import Job

from .conftest import exists

Jobs = Callable[[], dict[str, Job]]
SECONDS = 60


@contextmanager
def started(job: Job, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process for `job`; killed at the end when it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "rostra.team.process"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environ},
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(msgspec.msgpack.encode(job))
            process.stdin.close()
            yield process
        finally:
            process.kill()


def alone(job: Job, **changes: object) -> Job:
    """The job without a launcher: it logs to stderr, and tells nobody that it is ready."""
    return msgspec.structs.replace(job, **{"log": "", "notify": "", **changes})


@contextmanager
def listening(tmp_path: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """A socket for news of readiness: its address, and what waits for the next."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / "notices"))
        notices.settimeout(SECONDS)
        yield str(tmp_path / "notices"), lambda: notices.recv(4096).decode()


def test_a_broker_tells_systemd_that_it_is_ready_and_ends_gracefully(team_jobs: Jobs, tmp_path: Path) -> None:
    with listening(tmp_path) as (address, notice), started(alone(team_jobs()["broker"]), NOTIFY_SOCKET=address) as process:
        assert notice() == "READY=1\nNAME=broker"
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == ExitCode.STOPPED


def test_a_newer_process_of_a_name_ends_the_older_one(team_jobs: Jobs, tmp_path: Path) -> None:
    jobs = team_jobs()
    with listening(tmp_path) as (address, notice), started(alone(jobs["broker"], notify=address)):
        notice()
        with started(alone(jobs["models"], notify=address)) as older:
            assert notice() == "READY=1\nNAME=models"
            with started(alone(jobs["models"], notify=address)) as newer:
                assert notice() == "READY=1\nNAME=models"
                assert older.wait(SECONDS) == ExitCode.SUPERSEDED
                newer.send_signal(signal.SIGINT)
                assert newer.wait(SECONDS) == ExitCode.STOPPED


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("one", {"handlers.py": "import no_such_thing\n"}, "no_such_thing"),
        ("models", {"script.toml": "one = 3\n"}, "is a list of replies"),
    ],
)
def test_what_cannot_be_as_it_is_told_says_so_and_ends_with_its_own_code(
    team_jobs: Jobs, team_file: Path, key: str, content: dict[str, str], said: str
) -> None:
    job = alone(team_jobs()[key])
    for name, text in content.items():
        team_file.with_name(name).write_text(text)
    with started(job) as process:
        assert process.wait(SECONDS) == ExitCode.CONFIGURATION
        assert process.stderr is not None
        error = process.stderr.read().decode()
    assert said in error
    assert "Traceback" not in error


def test_a_broker_on_tcp_without_keys_is_refused(team_jobs: Jobs) -> None:
    with started(alone(team_jobs()["broker"], address="tcp://127.0.0.1:5555")) as process:
        assert process.wait(SECONDS) == ExitCode.CONFIGURATION


def test_a_process_whose_parent_is_gone_already_ends(team_jobs: Jobs) -> None:
    with started(alone(team_jobs()["broker"], parent=1)) as process:
        assert process.wait(SECONDS) == 1


def test_a_large_log_is_put_aside(team_jobs: Jobs, tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    with listening(tmp_path) as (address, notice):
        job = msgspec.structs.replace(team_jobs()["broker"], log=str(log), notify=address)
        with started(job) as process:
            notice()
            process.terminate()
            process.wait(SECONDS)
    assert log.with_name("broker.log.1").stat().st_size == LOG_BYTES + 1
    assert "broker of the team trio begins as" in log.read_text()
    assert not exists(process.pid)
