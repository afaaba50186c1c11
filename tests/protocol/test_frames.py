"""Heads and bodies: what is encoded is decoded; whatever else arrives raises `BadMessage` and nothing else."""

import contextlib

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.protocol.errors import BadMessage, TooLarge
from rostra.protocol.frames import VERSION, decode_body, decode_head, encode_body, encode_head
from rostra.protocol.limits import MAX_FRAME, MAX_HEAD
from rostra.protocol.messages import (
    TYPES,
    Beat,
    Bye,
    Cancel,
    Error,
    Event,
    Header,
    Hello,
    Publish,
    Reply,
    Request,
    Subscribed,
    Type,
    Welcome,
    Who,
    Working,
)

ids = st.binary(min_size=16, max_size=16)
series = st.binary(min_size=8, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
counts = st.integers(0, 2**63 - 1)
headers: st.SearchStrategy[Header] = st.one_of(
    st.builds(Hello, texts, ids, st.booleans(), counts),
    st.builds(Welcome, texts, ids, counts),
    st.builds(Who, ids),
    st.builds(Beat, counts),
    st.builds(Bye, texts),
    st.builds(Request, ids, texts, counts, texts),
    st.builds(Reply, ids),
    st.builds(Error, st.one_of(ids, st.just(b"")), texts, texts),
    st.builds(Working, ids),
    st.builds(Cancel, ids),
    st.builds(Publish, texts, ids, counts, texts),
    st.builds(Event, texts, series, counts, counts, ids, counts, texts),
    st.builds(Subscribed, ids, st.integers(0, 99), st.integers(1, 99)),
)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), texts, st.binary(max_size=40)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(texts, inner, max_size=6)),
    max_leaves=40,
)


@pytest.mark.requirement("R-HEAD-1")
@given(headers)
def test_a_head_is_decoded_to_what_was_encoded(header: Header) -> None:
    assert decode_head(encode_head(header)) == header


@pytest.mark.requirement("R-HEAD-1")
@given(headers)
def test_another_decoder_sees_version_type_and_the_array_of_fields(header: Header) -> None:
    head = encode_head(header)
    assert head[0] == VERSION
    assert TYPES[Type(head[1])] is type(header)
    assert msgpack.unpackb(head[2:]) == [getattr(header, field) for field in header.__struct_fields__]


@given(headers, st.data())
def test_a_mutilated_head_is_a_head_or_a_bad_message(header: Header, data: st.DataObject) -> None:
    head = bytearray(encode_head(header))
    for _ in range(data.draw(st.integers(1, 4))):
        head[data.draw(st.integers(0, len(head) - 1))] = data.draw(st.integers(0, 255))
    _is_harmless(bytes(head))
    _is_harmless(bytes(head[: data.draw(st.integers(0, len(head)))]))


@pytest.mark.requirement("R-HEAD-2")
@given(st.binary(max_size=200))
def test_noise_is_a_bad_message(noise: bytes) -> None:
    _is_harmless(noise)
    _is_harmless(bytes((VERSION, 16)) + noise)


def _is_harmless(head: bytes) -> None:
    try:
        header = decode_head(head)
    except BadMessage:
        return
    assert type(header) in TYPES.values()


@pytest.mark.requirement("R-HEAD-2")
@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x01",
        b"\x01\x04",
        b"\x02\x04\x91\x01",  # another version
        b"\x01\xff\x91\x01",  # an unknown type
        b"\x01\x3f\x91\x01",  # another one
        b"\x01\x04\x90",  # a field is missing
        b"\x01\x04\x91\xa1x",  # a field of another type
        b"\x01\x04\x91\x01\x01",  # bytes after the end
        b"\x01\x10\xdd\xff\xff\xff\xff",  # four billion fields
        b"\x01\x04\x92\x01" + b"\x91" * 15_000,  # too deep
    ],
)
def test_what_is_no_head_is_refused(head: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_head(head)


@pytest.mark.requirement("R-HEAD-3")
def test_fields_that_a_later_version_appended_are_ignored() -> None:
    assert decode_head(b"\x01\x04" + msgpack.packb([7, "new", [1, 2]])) == Beat(7)


@pytest.mark.requirement("R-HEAD-4")
def test_a_head_beyond_its_limit_is_too_large_on_both_sides() -> None:
    with pytest.raises(TooLarge):
        decode_head(bytes((VERSION, 5)) + b"\x00" * MAX_HEAD)
    with pytest.raises(TooLarge):
        encode_head(Bye("x" * MAX_HEAD))


@pytest.mark.requirement("R-ID-1")
@pytest.mark.parametrize("kind", [Type.REQUEST, Type.REPLY, Type.WORKING, Type.CANCEL])
@pytest.mark.parametrize("size", [0, 15, 17])
def test_an_identifier_has_sixteen_bytes(kind: Type, size: int) -> None:
    fields: list[object] = [b"x" * size]
    if kind is Type.REQUEST:
        fields += ["ask", 0]
    with pytest.raises(BadMessage):
        decode_head(bytes((VERSION, kind)) + msgpack.packb(fields))


@pytest.mark.requirement("R-BODY-1")
@given(values)
def test_a_body_is_decoded_to_what_was_encoded_here_and_elsewhere(value: object) -> None:
    body = encode_body(value)
    assert decode_body(body) == value
    assert msgpack.unpackb(body, strict_map_key=False) == value


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_a_noisy_body_is_a_value_or_a_bad_message(noise: bytes) -> None:
    for kind in (None, dict, list[int], dict[str, tuple[bytes, int]]):
        with contextlib.suppress(BadMessage):
            decode_body(noise) if kind is None else decode_body(noise, kind)


@pytest.mark.requirement("R-BODY-2")
@pytest.mark.parametrize("value", [object(), 2**70, "\ud800", {"\udfff": 1}, {1, object()}])
def test_what_cannot_be_encoded_is_a_bad_message(value: object) -> None:
    with pytest.raises(BadMessage):
        encode_body(value)


@pytest.mark.requirement("R-LIMIT-1")
def test_a_body_beyond_a_frame_is_too_large() -> None:
    with pytest.raises(TooLarge):
        encode_body(b"x" * MAX_FRAME)
    with pytest.raises(TooLarge):
        decode_body(b"\xc0" * (MAX_FRAME + 1))
