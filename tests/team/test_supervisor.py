"""The processes of a team: started, killed, back again, stopped. Real processes, real sockets."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.protocol import Client
from rostra.team.process import Job
from rostra.team.supervisor import Supervisor, TeamFailed
from rostra.team.watch import ProcessEvent, State

from .conftest import command_line, exists

Jobs = Callable[[], dict[str, Job]]


def names(peers: list[str]) -> list[str]:
    """The names on the bus, without those of consoles and launchers."""
    return sorted(name for name in peers if not name.startswith(("launcher-", "console-")))


async def on_the_bus(client: Client) -> list[str]:
    return names([peer.name for peer in await client.peers()])


async def test_when_a_team_is_entered_everybody_is_registered(team_jobs: Jobs) -> None:
    heard: list[ProcessEvent] = []
    async with Supervisor(team_jobs(), on_event=heard.append) as team:
        assert await on_the_bus(team.client) == ["coordinator", "models", "one", "three", "three", "two"]
        pids = {team.pid(key) for key in team.jobs}
        assert len(pids) == 7
        assert all(exists(pid) for pid in pids)
    assert not any(exists(pid) for pid in pids)
    assert heard[0].key == heard[1].key == "broker"  # started, ready: before anything else
    stopped = [event.key for event in heard if event.type == "stopped"]
    assert set(stopped[:4]) == {"one", "two", "three", "three~2"}
    assert stopped[4:] == ["coordinator", "models", "broker"]
    assert not [event for event in heard if event.type in ("died", "restarting", "given_up")]


@pytest.mark.parametrize("key", ["broker", "models", "coordinator", "one", "three~2"])
async def test_what_is_killed_is_back_and_registered(team_jobs: Jobs, key: str) -> None:
    heard: list[ProcessEvent] = []
    async with Supervisor(team_jobs(), on_event=heard.append) as team:
        everybody = set(await on_the_bus(team.client))
        before = team.pid(key)
        os.kill(before, signal.SIGKILL)
        await until(lambda: any(event.type == "restarting" for event in heard))
        await team.ready()
        assert team.pid(key) != before
        assert set(await on_the_bus(team.client)) >= everybody - {"coordinator", "models", "one", "three", "two"} | {
            key.partition("~")[0]
        } - {"broker"}
    assert [(event.type, event.key, event.pause) for event in heard if event.type == "restarting"] == [("restarting", key, 0.0)]


async def test_when_the_fork_server_is_killed_everything_comes_back(team_jobs: Jobs) -> None:
    async with Supervisor(team_jobs()) as team:
        before = {key: team.pid(key) for key in team.jobs}
        os.kill(team._forks.pid, signal.SIGKILL)
        await until(lambda: all(team.pid(key) not in (0, before[key]) for key in team.jobs))
        await team.ready()
        assert await on_the_bus(team.client) == ["coordinator", "models", "one", "three", "three", "two"]


async def test_a_process_can_be_restarted_by_hand(team_jobs: Jobs) -> None:
    heard: list[ProcessEvent] = []
    async with Supervisor(team_jobs(), on_event=heard.append) as team:
        before = team.pid("two")
        team.restart("two")
        await until(lambda: team.pid("two") not in (0, before))
        await team.ready()
        assert team.state("two") is State.READY
    assert "died" not in [event.type for event in heard]


async def test_a_handler_that_cannot_be_imported_fails_the_team_with_its_reason(team_jobs: Jobs, team_file: Path) -> None:
    team_file.with_name("handlers.py").write_text("import no_such_thing\ndef echo(m, c): ...\ndef pid(m, c): ...\n")
    with pytest.raises(TeamFailed, match="no_such_thing") as raised:
        async with Supervisor(team_jobs()):
            pass
    assert "cannot run as it is configured" in str(raised.value)
    assert ".log)" in str(raised.value)


async def test_a_team_that_is_cancelled_while_it_starts_leaves_nothing(team_jobs: Jobs) -> None:
    started: list[int] = []

    def note(event: ProcessEvent) -> None:
        started.append(event.pid)
        if event.key == "one":
            task.cancel()

    async def run() -> None:
        async with Supervisor(team_jobs(), on_event=note):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(run())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(exists(pid) for pid in started if pid)


async def test_a_process_that_does_not_listen_to_sigterm_is_killed_in_a_hurry(team_jobs: Jobs, team_file: Path) -> None:
    stubborn = "import signal\nasync def echo(m, c): ...\nasync def pid(m, c): ...\n"
    team_file.with_name("handlers.py").write_text(stubborn)
    async with Supervisor(team_jobs()) as team:
        os.kill(team.pid("one"), signal.SIGSTOP)  # hears nothing
        asyncio.get_running_loop().call_later(0.2, team.kill)


def use_openai(team_file: Path) -> None:
    (team_file.parent / "key").write_text("none")
    text = team_file.read_text().replace('api = "scripted"\nscript = "script.toml"', 'model = "m"\napi_key_file = "key"')
    team_file.write_text(text)


async def test_a_gateway_of_the_openai_client_has_an_interpreter_of_its_own(team_jobs: Jobs, team_file: Path) -> None:
    use_openai(team_file)
    async with Supervisor(team_jobs()) as team:
        pid = team.pid("models")
        assert command_line(pid)[0] == "rostra-gateway"
        assert os.getsid(pid) == pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: team.pid("models") not in (0, pid))
        await team.ready()
        assert "models" in await on_the_bus(team.client)
