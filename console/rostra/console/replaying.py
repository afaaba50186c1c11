"""Reads an exported chat from a file, and plays it again: no team, no model, no network."""

import json
from pathlib import Path
from typing import Any

import msgspec

from rostra.groupchat.replaying import Script, replay, said_differently
from rostra.groupchat.rows import Settings
from rostra.protocol.chat import ChatInfo, ChatMessage, Record

from .exits import Code, Quit
from .exporting import Exported


def read(path: Path) -> Exported:
    """The chat in a file that `rostra chat export` has written as JSON or JSON Lines. Raises `Quit` for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
        try:
            whole = json.loads(text)
        except ValueError:
            whole = _gathered([json.loads(line) for line in text.splitlines() if line.strip()])
        return _exported(whole)
    except OSError as error:
        raise Quit(Code.FAILED, f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = "it holds no chat that was exported as JSON or JSON Lines"
        raise Quit(Code.FAILED, f"{path}: {problem}: {type(error).__name__}: {error}") from None


def problems(chat: Exported) -> list[str]:
    """Everything that is not as it was written, or does not come out again; empty: all is well."""
    found = said_differently(chat.records, chat.messages)
    task = chat.messages[0].text if chat.messages else ""
    if not found and not (chat.chat.task == chat.settings.get("task") == task):
        found = "the task is not what was written"
    try:
        settings = msgspec.convert(chat.settings, Settings)
        script = Script(
            chat=chat.chat.chat,
            created_ms=chat.chat.created_ms,
            settings=settings,
            records=chat.records,
            members=chat.chat.members,
            result=chat.chat.result,
        )
        return [*([found] if found else []), *replay(script)]
    except msgspec.ValidationError as error:
        return [*([found] if found else []), f"the rows are none: {error}"]


def _gathered(lines: list[dict[str, Any]]) -> dict[str, Any]:
    (head,) = [line for line in lines if line.get("type") == "chat"]
    return {
        "chat": head["chat"],
        "settings": head["settings"],
        "messages": [line for line in lines if line.get("type") == "message"],
        "records": [line["record"] for line in lines if line.get("type") == "record"],
    }


def _exported(whole: dict[str, Any]) -> Exported:
    return Exported(
        chat=msgspec.convert(whole["chat"], ChatInfo),
        settings=whole["settings"],
        messages=tuple(_message(one) for one in whole["messages"]),
        records=tuple(msgspec.convert(one, Record) for one in whole["records"]),
    )


def _message(line: dict[str, Any]) -> ChatMessage:
    values = {key: value for key, value in line.items() if key not in ("type", "seq", "speaker")}
    return msgspec.convert({**values, "sequence": line["seq"], "name": line["speaker"]}, ChatMessage)
