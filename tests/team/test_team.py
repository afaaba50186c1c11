"""Teams from a team file, as processes, with a scripted model: no key, real sockets."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.conftest import until

from rostra.protocol.chat import ChatEvent, Delta
from rostra.team.instances import running
from rostra.team.places import Places
from rostra.team.problems import BadTeam
from rostra.team.team import Team

from .conftest import exists

REVIEW = """
[team]
name = "review"
[chat]
selection = "round_robin"
max_rounds = 20
stop = 'text("APPROVED")'
[models.default]
api = "scripted"
script = "script.toml"
[agents.planner]
system_message = "You plan."
tools = ["handlers:word_count"]
[agents.counter]
kind = "handler"
handler = "handlers:count"
[agents.critic]
"""

SCRIPT = """
planner = [
  { tool_calls = [{ name = "word_count", arguments = { text = "one two three" } }] },
  "It has three words.",
  "Better now?",
]
critic = ["Hm, not yet.", { text = "APPROVED", delay = 0.3 }]
"""

HANDLERS = '''
def word_count(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())

async def count(message, context):
    return f"{len(context.history)} messages so far"
'''


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """The file of a team of an assistant with a tool, a handler, and another assistant."""
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "script.toml").write_text(SCRIPT)
    (tmp_path / "review.toml").write_text(REVIEW)
    return tmp_path / "review.toml"


def change(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new))


async def test_a_chat_is_held_by_processes(review: Path, places: Places) -> None:
    async with Team.load(review, places=places) as team:
        result = await team.run("How long is it?")
        assert [(said.name, said.text) for said in result.messages] == [
            ("user", "How long is it?"),
            ("planner", "It has three words."),
            ("counter", "2 messages so far"),
            ("critic", "Hm, not yet."),
            ("planner", "Better now?"),
            ("counter", "5 messages so far"),
            ("critic", "APPROVED"),
        ]
        assert result.outcome == "ended"
        assert "APPROVED" in result.stop_reason
        assert result.usage.completion_tokens > 0
        assert (await team.chats.verify(result.chat)).intact
        assert [instance.name for instance in running(places)] == ["review"]
    assert running(places) == []


async def test_a_stream_shows_the_pieces_of_an_answer_and_the_whole(review: Path, places: Places) -> None:
    async with Team.load(review, places=places) as team:
        events = [event async for event in team.stream("How long is it?", deltas=True)]
    messages = [event for event in events if isinstance(event, ChatEvent) and event.type == "message"]
    assert [event.sequence for event in messages] == list(range(1, 8))
    pieces = [event.text for event in events if isinstance(event, Delta) and (event.speaker, event.sequence) == ("critic", 4)]
    assert "".join(pieces) == "Hm, not yet."


@pytest.mark.parametrize("victim", ["broker", "models", "coordinator", "planner", "counter", "critic"])
async def test_a_chat_goes_on_when_a_process_is_killed_in_the_middle_of_it(review: Path, places: Places, victim: str) -> None:
    async with Team.load(review, places=places) as team:
        assert team.supervisor is not None
        messages = []
        async with asyncio.timeout(60):
            async for event in team.stream("How long is it?"):
                if isinstance(event, ChatEvent) and event.message is not None:
                    messages.append(event.message)
                    if event.sequence == 3:
                        os.kill(team.supervisor.pid(victim), signal.SIGKILL)
        assert event.type == "result"  # type: ignore[union-attr]
        assert [said.sequence for said in messages] == list(range(1, 8))
        assert [said.text for said in messages][3:] == ["Hm, not yet.", "Better now?", "5 messages so far", "APPROVED"]


async def test_two_runs_of_one_file_side_by_side_do_not_meet(review: Path, places: Places) -> None:
    async with Team.load(review, places=places) as first, Team.load(review, places=places) as second:
        results = await asyncio.gather(first.run("One?", chat="same"), second.run("Two?", chat="same"))
        assert [result.messages[0].text for result in results] == ["One?", "Two?"]
        assert [len(result.messages) for result in results] == [7, 7]
        assert [len(await team.chats.all()) for team in (first, second)] == [1, 1]


async def test_another_process_attaches_to_a_running_team(review: Path, places: Places) -> None:
    async with Team.load(review, places=places) as team:
        result = await team.run("How long is it?", chat="one")
        async with Team.attach(running(places)[0].address) as guest:
            followed = [event async for event in guest.chats.follow("one")]
            assert [event.type for event in followed] == ["message"] * 7 + ["result"]  # type: ignore[union-attr]
            assert (await guest.ask("counter", "and you?")).text == "1 messages so far"
        assert team.supervisor is not None
        assert team.supervisor.watch.all_ready
    assert result.messages


async def test_a_chat_is_recorded_and_played_again(review: Path, places: Places) -> None:
    recording = review.with_name("recording.jsonl")
    async with Team.load(review, places=places, record=recording) as team:
        recorded = await team.run("How long is it?")
    change(review, '"scripted"\nscript = "script.toml"', '"recorded"\nrecording = "recording.jsonl"')
    async with Team.load(review, places=places) as team:
        played = await team.run("How long is it?")
    assert [said.text for said in played.messages] == [said.text for said in recorded.messages]


async def test_a_broken_file_starts_nothing(review: Path, places: Places) -> None:
    change(review, "[agents.critic]", "[agents.critic]\nkind = 4")
    with pytest.raises(BadTeam, match="critic"):
        Team.load(review, places=places)
    assert running(places) == []


async def test_a_member_that_is_given_up_is_known_to_the_supervisor(review: Path, places: Places) -> None:
    async with Team.load(review, places=places) as team:
        supervisor = team.supervisor
        assert supervisor is not None
        while not supervisor.failed.done():
            pid = supervisor.pid("counter")
            if pid and exists(pid):
                os.kill(pid, signal.SIGKILL)
            await until(lambda: supervisor.pid("counter") not in (0, pid) or supervisor.failed.done())  # noqa: B023
        assert "counter: it died 5 times" in str(supervisor.failed.result())
