"""Files that belong to messages: the pictures that code has shown. Pure; what a message claims is looked at before use."""

import base64
import binascii
import re

import msgspec

from rostra.protocol import ChatMessage

KEY = "attachments"
"""Key in the `metadata` of a message."""
PICTURES = frozenset({"image/png", "image/jpeg", "image/svg+xml"})
_NAME = re.compile(r"\w[\w.-]{0,99}")


class Attachment(msgspec.Struct, frozen=True):
    """One file: a plain name, its media type, its bytes."""

    name: str
    type: str
    data: bytes

    @property
    def url(self) -> str:
        """The file as an address that holds it."""
        return f"data:{self.type};base64,{base64.b64encode(self.data).decode()}"


class _Stored(msgspec.Struct):
    name: str
    type: str
    data: str


def attachments(message: ChatMessage) -> list[Attachment]:
    """The pictures of a message; what is none is left out, for any agent may write anything there."""
    try:
        stored = msgspec.convert(message.metadata.get(KEY, []), list[_Stored])
    except msgspec.ValidationError:
        return []
    found = []
    for each in stored:
        if each.type not in PICTURES or not _NAME.fullmatch(each.name):
            continue
        try:
            data = each.data.encode() if each.type == "image/svg+xml" else base64.b64decode(each.data)
        except (binascii.Error, ValueError):
            continue
        found.append(Attachment(each.name, each.type, data))
    return found
