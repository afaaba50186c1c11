"""The vectors say what the code does, and an independent decoder reads the same from them."""

import json
from typing import Any

import msgpack
import pytest

from rostra.protocol.errors import BadMessage
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head

from .make_vectors import FOLDER, make, plain, text

HEADS, BODIES = (json.loads((FOLDER / name).read_text()) for name in ("heads.json", "bodies.json"))


@pytest.mark.parametrize("name", ["heads.json", "bodies.json", "names.json"])
def test_the_vectors_are_those_that_the_code_makes(name: str) -> None:
    assert (FOLDER / name).read_text() == text(make()[name]), "run python -m tests.protocol.make_vectors"


def by_name(vectors: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[one["name"] for one in vectors])


@pytest.mark.requirement("R-HEAD-1")
@by_name(HEADS["encoded"])
def test_an_encoded_head_is_read_alike_by_another_decoder(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["head"])
    assert encode_head(decode_head(raw)) == raw
    assert raw[:2] == bytes((1, vector["type"]))
    assert plain(msgpack.unpackb(raw[2:])) == list(vector["fields"].values())


@pytest.mark.requirement("R-HEAD-3")
@by_name(HEADS["also_accepted"])
def test_a_lenient_head_is_read_alike_by_another_decoder(vector: dict[str, Any]) -> None:
    fields = msgpack.unpackb(bytes.fromhex(vector["head"])[2:])
    for ours, theirs in zip(vector["fields"].values(), fields, strict=False):
        assert ours == plain(theirs)


@pytest.mark.requirement("R-HEAD-2")
@by_name(HEADS["refused"])
def test_a_refused_head_is_refused_with_its_error(vector: dict[str, Any]) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_head(bytes.fromhex(vector["head"]))
    assert caught.value.code == vector["error"]


@pytest.mark.requirement("R-BODY-1")
@by_name(BODIES["accepted"])
def test_a_body_is_read_and_written_alike_by_another_coder(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["body"])
    assert plain(decode_body(raw)) == plain(msgpack.unpackb(raw)) == vector["value"]
    assert encode_body(msgpack.unpackb(raw)) == msgpack.packb(decode_body(raw)) == raw


@pytest.mark.requirement("R-LIMIT-2")
@by_name(BODIES["refused"])
def test_a_refused_body_is_refused_with_its_error(vector: dict[str, Any]) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_body(bytes.fromhex(vector["body"]))
    assert caught.value.code == vector["error"]
