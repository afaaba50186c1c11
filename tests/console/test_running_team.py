"""Commands that talk to a team that runs: one team, brought up once for all of these."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from .conftest import EXAMPLES, SECONDS, Cli

HELLO = str(EXAMPLES / "hello" / "scripted.toml")


@pytest.fixture(scope="module")
def team(shared: Cli) -> Iterator[Cli]:
    """The command line beside a running team: an assistant, and a person who is asked."""
    try:
        shared("up", HELLO, "--detach")
        yield shared
    finally:
        shared("down")


def start(team: Cli, chat: str) -> None:
    assert team("chat", "start", HELLO, "What is a broker?", "--chat", chat, "--detach").out == f"{chat}\n"


def question(team: Cli, chat: str) -> int:
    """The number of the question that the chat waits for; there is one soon."""
    following = team.start("chat", "attach", chat, "--json")
    assert following.stdout is not None
    for line in following.stdout:
        event = json.loads(line)
        if event["type"] == "question":
            following.send_signal(signal.SIGINT)
            _, err = following.communicate(timeout=SECONDS)
            assert following.returncode == 130, err
            return int(event["question"])
    raise AssertionError(following.communicate())


def test_ps_lists_every_process_with_its_pid(team: Cli) -> None:
    processes = team("ps", "--json").json
    assert [one["name"] for one in processes] == ["broker", "models", "coordinator", "assistant", "you"]
    assert {one["state"] for one in processes} == {"ready"}
    for one in processes:
        os.kill(one["pid"], 0)
        assert one["since_ms"] > 0
        assert one["restarts"] >= 0
    assert team("ps").out.splitlines()[0].split() == ["NAME", "KIND", "PID", "STATE", "SINCE", "RESTARTS"]


def test_an_agent_is_restarted(team: Cli) -> None:
    before = {one["name"]: one["pid"] for one in team("ps", "--json").json}
    team("restart", "hello", "assistant")
    after = {one["name"]: one["pid"] for one in team("ps", "--json").json}
    assert after.pop("assistant") != before.pop("assistant")
    assert after == before
    assert "no process 'nobody'" in team("restart", HELLO, "nobody", code=1).err


def test_doctor_sees_every_process_answer(team: Cli) -> None:
    report = team("doctor", "--team", HELLO, "--json").json
    assert report["healthy"] is True
    states = {finding["what"]: finding["state"] for finding in report["findings"]}
    for what in ("broker", "coordinator", "gateway", "agent:assistant", "agent:you"):
        assert states[what] == "good"
    assert team("doctor", "--only", "coordinator").out == "✓ coordinator: answers\n"
    assert "✗ agent:nobody" in team("doctor", "--only", "agent:nobody", code=1).out


def test_an_agent_is_asked(team: Cli) -> None:
    assert "takes messages" in team("ask", "assistant", "What is a broker?").out
    answer = team("ask", "assistant", "-", "--json", text="What is a broker?").json
    assert answer["name"] == "assistant"
    assert "nobody called 'nobody'" in team("ask", "nobody", "hi", code=4).err


def test_a_question_is_answered_from_elsewhere_and_the_chat_goes_on(team: Cli) -> None:
    start(team, "c-inbox")
    number = question(team, "c-inbox")
    assert number in [item["number"] for item in team("inbox", "--json").json]
    assert "c-inbox" in team("inbox", "list").out
    team("answer", str(number), "exit")
    assert "answered" in team("answer", str(number), "again", code=1).err
    done = team("chat", "attach", "c-inbox")
    assert "[2/20] assistant\n" in done.out
    assert "✓ ended" in done.out


def test_something_is_said_between_two_turns_and_the_chat_is_stopped(team: Cli) -> None:
    start(team, "c-stop")
    number = question(team, "c-stop")
    saying = team.start("chat", "say", "c-stop", "By the way …")
    team("answer", str(number), "And then?")
    try:
        _, err = saying.communicate(timeout=3)
    except subprocess.TimeoutExpired:  # it came after the answer, so it waits for the end of the next turn
        team("answer", str(question(team, "c-stop")), "And then?")
        _, err = saying.communicate(timeout=SECONDS)
    assert saying.returncode == 0, err
    assert err.startswith("message ")
    question(team, "c-stop")
    team("chat", "stop", "c-stop", "--reason", "enough")
    lines = team("chat", "tail", "c-stop", "-n", "4", "--json").lines
    assert [line["type"] for line in lines] == ["message"] * 4 + ["result"]
    assert "By the way …" in [line.get("content") for line in lines]
    assert lines[-1]["outcome"] == "stopped"
    assert "enough" in lines[-1]["stop_reason"]
    assert team("chat", "verify", "c-stop", "--json").json["intact"] is True


def test_a_chat_without_input_rests(team: Cli) -> None:
    lines = team("chat", "start", HELLO, "What is a broker?", "--no-input", "--json", code=6).lines
    assert lines[-1]["outcome"] == "waits"


def test_chats_are_listed(team: Cli) -> None:
    start(team, "c-list")
    assert "c-list" in [info["chat"] for info in team("chat", "list", "--json").json]
    assert "What is a broker?" in team("chat", "list").out
    assert "exists already" in team("chat", "start", HELLO, "again", "--chat", "c-list", code=1).err
    team("chat", "stop", "c-list")


def test_events_are_published_and_printed(team: Cli) -> None:
    listening = team.start("sub", "news.*", "--count", "2", "--json")
    assert listening.stderr is not None
    assert "listening" in listening.stderr.readline()
    team("pub", "news.today", "good")
    team("pub", "news.today", '{"a": 1}', "--value")
    out, _ = listening.communicate(timeout=SECONDS)
    events = [json.loads(line) for line in out.splitlines()]
    assert [(event["topic"], event["seq"], event["payload"]) for event in events] == [
        ("news.today", 1, "good"),
        ("news.today", 2, {"a": 1}),
    ]
    assert all(event["sender"].startswith("console-") for event in events)
    again = team("sub", "news.today", "--since", "1", "--count", "1").out
    assert again.startswith("news.today 2 console-")
    assert "no JSON" in team("pub", "news.today", "{", "--value", code=2).err
    assert "topic" in team("pub", "news today", "x", code=2).err


def test_a_reader_that_goes_away_ends_the_command_quietly(team: Cli) -> None:
    listening = team.start("sub", "flood.>")
    assert listening.stderr is not None
    assert listening.stdout is not None
    listening.stderr.readline()
    listening.stdout.close()
    team("pub", "flood.a", "x")
    assert listening.wait(SECONDS) == 141
    assert listening.stderr.read() == ""
    listening.stderr.close()


def test_ctrl_c_leaves_what_only_watches(team: Cli) -> None:
    listening = team.start("sub", "quiet")
    assert listening.stderr is not None
    listening.stderr.readline()
    listening.send_signal(signal.SIGINT)
    _, err = listening.communicate(timeout=SECONDS)
    assert listening.returncode == 130
    assert "Traceback" not in err


def test_logs_are_those_of_the_processes(team: Cli) -> None:
    names = {line["process"] for line in team("logs", "--json", "-n", "1000").lines}
    assert names
    assert names <= {"broker", "models", "coordinator", "assistant", "you", "launcher"}
    assert "nothing is logged by 'nobody'" in team("logs", "nobody", code=1).err
