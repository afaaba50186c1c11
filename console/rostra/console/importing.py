"""Lets a chat of a team begin with a conversation that was held elsewhere."""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from rostra.agents.prompt import COMPLETIONS
from rostra.groupchat import statements
from rostra.groupchat.controls import now_ms
from rostra.groupchat.errors import ChatExists
from rostra.groupchat.fit import check_message
from rostra.groupchat.forking import imported
from rostra.groupchat.rows import Settings
from rostra.groupchat.rules import rules_of
from rostra.groupchat.schema import migrate
from rostra.groupchat.writer import connect
from rostra.protocol import BadMessage, ChatMessage, Refused, RostraError, Usage
from rostra.protocol.ids import new_id
from rostra.team.file import TeamFile
from rostra.team.places import Places

from .foreign import BadHistory, Heard, read

USER = "user"
"""Who gives tasks, and is no member."""


class BadImport(RostraError):
    """A file cannot be made a chat; says where in which file, and why."""

    code = "bad_import"

    def __init__(self, file: Path, error: BadHistory) -> None:
        super().__init__(f"{file}: {error}")
        self.file, self.key = file, error.key


def load(
    file: Path, members: Sequence[str], renamed: Mapping[str, str], conversation: str = "", without: str = ""
) -> list[Heard]:
    """What was said in `file`, each message in the name of a member or of `user`.

    `renamed`: names, or roles of messages without a name, and whose they are here; `without`: a text that is left out of every
    message. Raises `BadImport`.
    """
    try:
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise BadHistory("", f"cannot be read as JSON: {error}") from None
        heard = read(data, conversation)
        return [msgspec.structs.replace(each, message=_ours(each, members, renamed, without)) for each in heard]
    except BadHistory as error:
        raise BadImport(file, error) from None


def _ours(heard: Heard, members: Sequence[str], renamed: Mapping[str, str], without: str) -> ChatMessage:
    said, message = heard.message.name, heard.message
    name = renamed.get(said, said)
    known = {_plain(one): one for one in (USER, *members)}
    if _plain(name) not in known:
        raise BadHistory(heard.key, f"{said!r} is no member of the team ({', '.join(members)}): say --as {said or 'NAME'}=MEMBER")
    name = known[_plain(name)]
    content = message.content
    if without and isinstance(content, str):
        content = content.replace(without, "").rstrip()
    role = message.role if message.role in ("tool", "function") else USER if name == USER else "assistant"
    silent = {COMPLETIONS: 0} if message.tool_responses else {}  # no model said it
    message = msgspec.structs.replace(message, name=name, role=role, content=content, metadata={**message.metadata, **silent})
    try:
        check_message(message)
    except BadMessage as error:
        raise BadHistory(heard.key, str(error)) from None
    return message


def store(team: TeamFile, heard: Sequence[Heard], chat: str, *, source: str, rounds: int = 0) -> Path:
    """Make a paused chat of the team of what was `heard`; returns the database.

    `rounds`: messages at most; 0: the team file's, and as many as were heard. Raises `Refused` when there is a chat of this id.
    """
    options = team.chat_options()
    settings = Settings(
        task=heard[0].message.text,
        members=team.agents,
        max_rounds=rounds or options.max_rounds + len(heard),
        rules=rules_of(options),
    )
    said: list[tuple[ChatMessage, tuple[Usage, ...]]] = [(each.message, each.usage) for each in heard]
    rows, floor = imported(said, settings, new_id, f"from {source}", now_ms())
    database = Places.here().transcript(team.name, team.name)
    with closing(connect(database)) as connection:
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            epoch = statements.fork(connection, chat, new_id(), settings, rows, floor)
            statements.mark(connection, chat, epoch, "paused")
        except ChatExists:
            connection.execute("ROLLBACK")
            raise Refused(f"there is a chat {chat!r} already") from None
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return database


def _plain(name: str) -> str:
    """A name as names of members are spelled."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
