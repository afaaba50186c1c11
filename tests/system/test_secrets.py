"""A team whose agents give away every secret they can: not a byte of them reaches the bus or the disk."""

import asyncio
import os
from pathlib import Path

import pytest

from rostra.protocol import ChatMessage, RemoteError, redaction
from rostra.protocol.redaction import Redactor, secrets_of
from rostra.team import Team
from rostra.team.places import Places

IN_ENVIRONMENT = "the-value-of-an-odd-variable-1"
IN_FILE = "the-value-in-a-key-file-2"
BY_NAME = "the-value-of-a-database-password-3"
BY_FORM = "sk-proj-a1b2c3d4e5f6g7h8i9j0"
SECRETS = (IN_ENVIRONMENT, IN_FILE, BY_NAME, BY_FORM)

TEAM = """
[team]
name = "leaky"
[chat]
selection = "round_robin"
max_rounds = 3
[models.default]
api = "scripted"
script = "script.toml"
[models.named]
model = "m"
api_key_env = "ODD"
[models.filed]
model = "m"
api_key_file = "key"
[agents.ann]
kind = "assistant"
tools = ["leaks:look"]
state = "sqlite"
[agents.ben]
kind = "handler"
handler = "leaks:tell"
state = "sqlite"
"""
LEAKS = """
import logging, os
from pathlib import Path
from rostra.agents import tool

def secrets():
    key = Path(__file__).with_name("key").read_text().strip()
    return f"{os.environ['ODD']} {key} {os.environ['DB_PASSWORD']} " + "-".join(["sk", "proj", "a1b2c3d4e5f6g7h8i9j0"])

@tool
def look() -> str:
    "Looks."
    return "seen " + secrets()

async def tell(message, context):
    logging.getLogger("leaks").warning("logged %s", secrets())
    if message.text == "fail":
        raise ValueError("failed " + secrets())
    if context.on_delta:
        for letter in "written " + secrets():
            context.on_delta(letter)
        context.publish("leaks", {"published": secrets()})
        await context.client.tell("absentee", "posted " + secrets())
    return "said " + secrets()
"""


def found(folder: Path) -> list[tuple[str, str]]:
    """The files of a folder that hold a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 6
    return [(path.name, secret) for path in files for secret in SECRETS if secret.encode() in path.read_bytes()]


@pytest.mark.timeout(60)
async def test_no_secret_leaves_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD", IN_ENVIRONMENT)
    monkeypatch.setenv("DB_PASSWORD", BY_NAME)
    monkeypatch.setattr(redaction, "own", Redactor(secrets_of(os.environ)))  # as in a process that begins now
    inside = tmp_path / "inside"
    inside.mkdir()
    for name, text in (("team.toml", TEAM), ("leaks.py", LEAKS), ("key", IN_FILE + "\n")):
        (inside / name).write_text(text)
    script = (
        f'ann = [{{ text = "I look for {BY_FORM}", tool_calls = [{{ name = "look", arguments = {{}} }}] }}, "It is {BY_FORM}."]\n'
    )
    (inside / "script.toml").write_text(script)
    home, record, wire = tmp_path / "home", tmp_path / "home" / "record.jsonl", b""
    places = Places.here({"ROSTRA_HOME": str(home)})
    async with Team.load(inside / "team.toml", places=places, record=record) as team, team.client.subscribe(">") as bus:
        result = await team.run(f"Find {IN_ENVIRONMENT}.")
        answer = await team.ask("ben", ChatMessage(content=f"Is it {BY_NAME}?"))
        with pytest.raises(RemoteError) as failed:
            await team.ask("ben", "fail")
        team.client.publish("end", None)
        async with asyncio.timeout(20):
            async for event in bus:
                wire += event._body
                if event.topic == "end":
                    break
    told = wire + "".join([result.messages[0].text, answer.text, str(failed.value)]).encode() + repr(result).encode()
    assert [secret for secret in SECRETS if secret.encode() in told] == []
    assert found(home) == []
    # What was to be seen was seen, without the secrets.
    assert [said.text for said in result.messages] == ["Find ***.", "It is ***.", "said *** *** *** ***"]
    assert answer.text == "said *** *** *** ***"
    assert "failed *** *** *** ***" in str(failed.value)
    assert b"published" in wire
    assert "seen *** *** *** ***" in repr(result.messages[1].metadata)
    logs = "".join(path.read_text() for path in home.rglob("*.log"))
    assert "logged *** *** *** ***" in logs
