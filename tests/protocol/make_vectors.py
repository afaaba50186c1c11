"""Makes `protocol/vectors/*.json`: `python -m tests.protocol.make_vectors`. Bytes are written as {"hex": "…"}."""

import json
from pathlib import Path
from typing import Any

import msgspec

from rostra.protocol.errors import RostraError
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.limits import MAX_DEPTH, MAX_NODES
from rostra.protocol.messages import (
    NO_REQUEST,
    TYPES,
    Ack,
    Beat,
    Bundle,
    Bye,
    Cancel,
    Error,
    Event,
    Header,
    Hello,
    Mail,
    Publish,
    Reject,
    Reply,
    Request,
    Stored,
    Subscribed,
    Welcome,
    Who,
    Working,
)
from rostra.protocol.names import check_name, check_pattern, check_topic, matches

FOLDER = Path(__file__).parents[2] / "protocol" / "vectors"
ID, BOOT, SERIES = bytes(range(16)), bytes(range(16, 32)), bytes(range(8))

HEADERS: list[Header] = [
    Hello("coder", BOOT),
    Hello("coder", BOOT, True, 60_000),
    Welcome("coder~2", BOOT, 15_000),
    Who(BOOT),
    Beat(0),
    Beat(2**40),
    Bye(),
    Bye("done"),
    Request(ID, "ask", 0),
    Request(ID, "turn", 300_000, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    Reply(ID),
    Error(ID, "no_such_agent", "nobody called 'x' is connected"),
    Error(b"", "superseded", "a newer process is coder now"),
    Error(NO_REQUEST, "bad_message", "ü"),
    Working(ID),
    Cancel(ID),
    Bundle(2),
    Mail(BOOT, 1),
    Mail(BOOT, 7, "", (1 << 32) + 3, 2),
    Mail(BOOT, 9, "", 0, 0, 7, 2),
    Stored(BOOT, 7),
    Ack(3),
    Ack(4, "no room"),
    Reject(BOOT, 8, "mailbox_full", "10000 letters wait"),
    Publish("chat.1", BOOT, 1),
    Event("coder", SERIES, 12, 1_700_000_000_000, BOOT, 3),
    Event("", SERIES, 1, 0, BOOT, 1, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    Subscribed(ID),
    Subscribed(ID, 1, 3),
]
LENIENT_HEADS = {
    "a field that a later version appended": b"\x01\x04" + msgspec.msgpack.encode([7, "new", [1, {"a": 2}]]),
    "trailing fields left out": b"\x01\x01" + msgspec.msgpack.encode(["coder", BOOT]),
    "an array with a longer length than needed": b"\x01\x04\xdc\x00\x01\x07",
    "an integer with a longer form than needed": b"\x01\x04\x91\xcf\x00\x00\x00\x00\x00\x00\x00\x07",
}
REFUSED_HEADS = {
    "empty": b"",
    "version only": b"\x01",
    "no header": b"\x01\x04",
    "version 2": b"\x02\x04\x91\x01",
    "unknown type": b"\x01\x3f\x91\x01",
    "type 0": b"\x01\x00\x90",
    "a field is missing": b"\x01\x04\x90",
    "a field of another type": b"\x01\x04\x91\xa1x",
    "a map instead of an array": b"\x01\x04\x81\xa5count\x01",
    "bytes after the end": b"\x01\x04\x91\x01\x00",
    "truncated": encode_head(Request(ID, "ask", 0))[:-1],
    "broken UTF-8": b"\x01\x05\x91\xa1\xff",
    "an id of 15 bytes": b"\x01\x11\x91\xc4\x0f" + bytes(15),
    "an id of 17 bytes": b"\x01\x11\x91\xc4\x11" + bytes(17),
    "an id that is text": b"\x01\x11\x91\xb0" + b"x" * 16,
    "four billion fields": b"\x01\x10\xdd\xff\xff\xff\xff",
    "the byte that MessagePack never uses": b"\x01\x04\x91\xc1",
    "beyond 16 KiB": b"\x01\x05\x91\xda\x40\x00" + b"x" * 0x4000,
}
BODIES: dict[str, Any] = {
    "nil": None,
    "booleans": [True, False],
    "integers": [0, 127, 128, 65_535, 2**32, 2**64 - 1, -1, -32, -33, -(2**63)],
    "floats": [0.5, -1e300],
    "text": ["", "ü", "x" * 40],
    "binary": [b"", b"\x00\xff"],
    "a message": {"content": "hello", "role": "user", "name": "anna"},
    "heads": {"news": [SERIES, 3, [["anna", BOOT, 9]]]},
    "a replay": {"series": SERIES, "first": 3, "last": 3, "events": [[b"head", b"body"]], "forgotten": [["anna", BOOT, 1, 2]]},
}
REFUSED_BODIES = {
    "empty": b"",
    "two values": b"\xc0\xc0",
    "truncated array": b"\x92\x01",
    "truncated text": b"\xa5hell",
    "broken UTF-8": b"\xa1\xff",
    "the byte that MessagePack never uses": b"\xc1",
    "an array of four billion": b"\xdd\xff\xff\xff\xff",
    "a map of four billion": b"\xdf\xff\xff\xff\xff",
    "binary of four billion bytes": b"\xc6\xff\xff\xff\xff",
    "one level too deep": b"\x91" * (MAX_DEPTH + 1) + b"\xc0",
    "one node too many": b"\xdc" + MAX_NODES.to_bytes(2, "big") + b"\xc0" * MAX_NODES,
}
NAMES = ["a", "coder", "a_b-9", "x" * 63, "", "Coder", "9a", "-a", "a b", "a~1", "a.b", "all", "system", "x" * 64, "é", "a\n"]
TOPICS = ["a", "chat.1", "A:1@x", "a" * 63, "", ".", "a.", "a..b", "a.*", "a.>", "a b", "a" * 64, "a." * 127 + "aa"]
PATTERNS = ["*", ">", "chat.*", "chat.>", "*.*", "a.*.c", "", "a.", ">.a", "a.>.b", "a*", "a>"]
SUBJECTS = ["a", "chat", "chat.1", "chat.1.x", "a.b.c", "a.b", "chats.1"]


def plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def head(raw: bytes, name: str) -> dict[str, Any]:
    """An accepted head."""
    header = decode_head(raw)
    kind = next(kind for kind, one in TYPES.items() if one is type(header))
    fields = {field: plain(getattr(header, field)) for field in header.__struct_fields__}
    return {"name": name, "head": raw.hex(), "type": int(kind), "message": kind.name, "fields": fields}


def refusal(decode: Any, raw: Any) -> str | None:
    """The code with which it is refused; None when it is not."""
    try:
        decode(raw)
    except RostraError as error:
        return error.code
    return None


def make() -> dict[str, Any]:
    """The vectors, by file name."""
    long_ = {"one node too many", "beyond 16 KiB"}
    assert long_ <= REFUSED_HEADS.keys() | REFUSED_BODIES.keys()
    return {
        "heads.json": {
            "encoded": [head(encode_head(one), f"{type(one).__name__} {number}") for number, one in enumerate(HEADERS)],
            "also_accepted": [head(raw, name) for name, raw in LENIENT_HEADS.items()],
            "refused": [
                {"name": name, "head": raw.hex(), "error": refusal(decode_head, raw)} for name, raw in REFUSED_HEADS.items()
            ],
        },
        "bodies.json": {
            "accepted": [
                {"name": name, "body": encode_body(value).hex(), "value": plain(value)} for name, value in BODIES.items()
            ],
            "refused": [
                {"name": name, "body": raw.hex(), "error": refusal(decode_body, raw)} for name, raw in REFUSED_BODIES.items()
            ],
        },
        "names.json": {
            "names": {name: refusal(check_name, name) is None for name in NAMES},
            "topics": {topic: refusal(check_topic, topic) is None for topic in TOPICS},
            "patterns": {
                pattern: [topic for topic in SUBJECTS if matches(pattern, topic)]
                if refusal(check_pattern, pattern) is None
                else None
                for pattern in PATTERNS
            },
        },
    }


def text(vectors: Any) -> str:
    """As it stands in a file."""
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, vectors in make().items():
        (FOLDER / name).write_text(text(vectors))
