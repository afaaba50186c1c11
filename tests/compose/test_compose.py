"""docker-compose.yml for real: the image is built, the containers come up healthy and hold chats, whoever is killed or stopped.

Needs a Docker daemon with compose v2. Where there is none the tests skip; in CI they fail.
"""

import json
import os
import secrets
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
TEAM = ROOT / "examples" / "compose"
AGENTS = ("writer", "counter", "critic")
SERVICES = ("broker", "gateway", "coordinator", *AGENTS)
TASK = "Find a slogan for a message broker."
KEY = "sk-of-the-test-only"
KILL = "kill -9 $(cat /proc/1/task/1/children)"
"""Kills the process that `docker-init` watches over: the one that the container is for."""


def without_docker() -> str:
    """Why there can be no containers here; empty: there can."""
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            return "there is no docker here"
        if done.returncode:
            return f"`{' '.join(command)}` says: {(done.stderr or done.stdout).strip()}"
    return ""


class Compose:
    """`docker compose` for a project of its own."""

    def __init__(self, project: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROSTRA_", "COMPOSE_", "OPENAI_"))}
        self._environment = {**kept, "COMPOSE_PROJECT_NAME": project, "ROSTRA_IMAGE": project, "OPENAI_API_KEY": KEY}

    def command(self, *arguments: str) -> list[str]:
        """The command line as a list."""
        return ["docker", "compose", "--project-directory", str(ROOT), *arguments]

    def run(self, *arguments: str, seconds: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Run it to its end, whatever that is."""
        return subprocess.run(
            self.command(*arguments),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def __call__(self, *arguments: str, seconds: float = 120.0) -> str:
        """Run it, and return what it printed; it must succeed."""
        done = self.run(*arguments, seconds=seconds)
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start it, with a pipe for its stdout."""
        return subprocess.Popen(
            self.command(*arguments), env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def up(self) -> None:
        """Start what is not running; returns when everything is healthy."""
        self("up", "--wait", "--wait-timeout", "90", "--no-build")

    def inspect(self, service: str) -> dict[str, Any]:
        """What Docker knows of a service's container."""
        container = self("ps", "--all", "--quiet", service).strip()
        done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, timeout=60, check=True)
        (found,) = json.loads(done.stdout)
        return dict(found)


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    """The team of the compose file, built and healthy; at the end nothing of it is left."""
    if lacking := without_docker():
        if os.environ.get("CI"):
            pytest.fail(lacking)
        pytest.skip(lacking)
    compose = Compose(f"rostra-test-{secrets.token_hex(4)}")
    try:
        compose("build", seconds=240)
        compose.up()
        yield compose
    finally:
        compose("--profile", "console", "down", "--volumes", "--rmi", "all", "--timeout", "20")


class Talk:
    """A chat that a console in a container of its own began, and follows."""

    def __init__(self, compose: Compose, chat: str) -> None:
        self._compose, self.chat = compose, chat
        self._console = compose.start(
            "run", "--rm", "--no-TTY", "rostra", "chat", "start", "slogan", TASK, "--chat", chat, "--json"
        )
        self.said: list[tuple[int, str, str]] = []
        self.result: dict[str, Any] = {}

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self._console.kill()
        self._console.communicate()

    def until(self, messages: int) -> None:
        """Follow until so many messages are said, or the chat is over."""
        assert self._console.stdout is not None
        for line in self._console.stdout:
            event = json.loads(line)
            match event["type"]:
                case "message":
                    self.said.append((event["seq"], event["speaker"], event["content"]))
                    if event["seq"] == messages:
                        return
                case "result":
                    self.result = event
                    return

    @property
    def is_over(self) -> bool:
        """Whether the console has left."""
        return self._console.poll() is not None

    def completes(self) -> None:
        """Follow to the end: all of the script was said, each line once, and the transcript is intact."""
        self.until(-1)
        assert self._console.wait(60) == 0
        assert self.said == script()
        assert (self.result["outcome"], self.result["messages"]) == ("ended", len(self.said))
        verdict = json.loads(self._compose("exec", "-T", "coordinator", "rostra", "chat", "verify", self.chat, "--json"))
        assert (verdict["intact"], verdict["messages"]) == (True, len(self.said))


def script() -> list[tuple[int, str, str]]:
    """Who says what in the example's chat."""
    lines = tomllib.loads((TEAM / "script.toml").read_text(encoding="utf-8"))
    said = [("user", TASK)]
    for slogan, verdict in zip(lines["writer"], lines["critic"], strict=True):
        said += [("writer", slogan["text"]), ("counter", f"{len(slogan['text'].split())} words"), ("critic", verdict["text"])]
    return [(number, *one) for number, one in enumerate(said, 1)]


def test_every_container_comes_up_healthy(compose: Compose) -> None:
    listed = [json.loads(line) for line in compose("ps", "--format", "json").splitlines()]
    assert {one["Service"]: one["Health"] for one in listed} == dict.fromkeys(SERVICES, "healthy")


def test_a_health_check_fails_for_a_process_that_does_not_answer(compose: Compose) -> None:
    done = compose.run("exec", "-T", "broker", "rostra", "doctor", "--only", "agent:nobody")
    assert (done.returncode, done.stdout.strip()) == (1, "✗ agent:nobody: nobody called 'nobody' is connected")


def test_no_container_has_more_than_it_needs(compose: Compose) -> None:
    for service in SERVICES:
        found = compose.inspect(service)
        config, host = found["Config"], found["HostConfig"]
        assert config["User"] == "10001:10001", service
        assert host["ReadonlyRootfs"], service
        assert host["Init"], service
        assert host["CapDrop"] == ["ALL"], service
        assert (host["NetworkMode"] == "none") == (service != "gateway"), service
        assert (f"OPENAI_API_KEY={KEY}" in config["Env"]) == (service == "gateway"), service
        writable = {mount["Destination"] for mount in found["Mounts"] if mount["RW"]}
        disk = {"/var/lib/rostra/data"} if service in ("broker", "coordinator") else set()
        assert writable == {"/var/lib/rostra/run"} | disk, service


def test_a_console_in_a_container_holds_a_chat(compose: Compose) -> None:
    with Talk(compose, "calm") as talk:
        talk.completes()


@pytest.mark.parametrize("victim", ["broker", "critic"])
def test_a_chat_survives_kill_9_of(victim: str, compose: Compose) -> None:
    before = compose.inspect(victim)
    with Talk(compose, f"without-{victim}") as talk:
        talk.until(3)
        # Unchecked: the end of the container may be the end of this command too.
        subprocess.run(["docker", "exec", before["Id"], "sh", "-c", KILL], capture_output=True, timeout=60, check=False)
        assert not talk.is_over
        talk.completes()  # who was killed says the last word, or carries it
    after = compose.inspect(victim)
    assert (after["Id"], after["RestartCount"]) == (before["Id"], before["RestartCount"] + 1)


def test_a_chat_goes_on_when_the_coordinator_was_stopped_and_started(compose: Compose) -> None:
    with Talk(compose, "paused") as talk:
        talk.until(3)
        compose("stop", "coordinator")
        assert not talk.is_over
        assert compose.inspect("coordinator")["State"]["ExitCode"] == 0
        compose("start", "coordinator")
        talk.completes()


def test_after_all_that_everything_is_healthy_again(compose: Compose) -> None:
    compose.up()
