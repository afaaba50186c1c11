"""Limits hold on the bytes, before anything is built."""

import tracemalloc
from random import Random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.protocol.errors import BadMessage
from rostra.protocol.limits import MAX_DEPTH, MAX_NODES, check_body

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=300),
    st.binary(max_size=300),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40)),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=20), st.dictionaries(st.text(max_size=4), inner, max_size=20), st.lists(inner, max_size=1)
    ),
    max_leaves=60,
)


def measure(value: object) -> tuple[int, int]:
    """Nodes and depth of a value, the naive way."""
    if isinstance(value, list):
        inner = [measure(one) for one in value]
        return 1 + sum(nodes for nodes, _ in inner), 1 + max((depth for _, depth in inner), default=0)
    if isinstance(value, dict):
        inner = [measure(one) for one in value.values()]
        return 1 + len(value) + sum(nodes for nodes, _ in inner), 1 + max((depth for _, depth in inner), default=0)
    return 1, 0


def accepted(body: bytes) -> bool:
    try:
        check_body(body)
    except BadMessage:
        return False
    return True


@pytest.mark.requirement("R-LIMIT-2")
@given(values, st.integers(0, 40), st.integers(0, 600))
@settings(max_examples=200)
def test_the_verdict_is_that_of_a_naive_count(value: object, deeper: int, wider: int) -> None:
    for _ in range(deeper):
        value = [value]
    value = [value, *([[0] * 19] * wider)]
    nodes, depth = measure(value)
    assert accepted(msgpack.packb(value)) == (nodes <= MAX_NODES and depth <= MAX_DEPTH)


@pytest.mark.requirement("R-LIMIT-2")
@pytest.mark.parametrize("extra", [0, 1])
def test_the_limits_are_met_exactly(extra: int) -> None:
    deep: object = 0
    for _ in range(MAX_DEPTH + extra):
        deep = [deep]
    assert accepted(msgpack.packb(deep)) is (extra == 0)
    assert accepted(msgpack.packb([0] * (MAX_NODES - 1 + extra))) is (extra == 0)
    assert accepted(msgpack.packb([b"0123456789abcdef"] * (MAX_NODES - 1 + extra))) is (extra == 0)


@pytest.mark.requirement("R-LIMIT-3")
@pytest.mark.parametrize(
    "claim", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"]
)
@pytest.mark.parametrize("padding", [0, MAX_NODES + 1])
def test_a_claim_of_four_billion_elements_costs_nothing(claim: bytes, padding: int) -> None:
    from rostra.protocol.frames import decode_body

    body = claim + b"\xc0" * padding
    tracemalloc.start()
    with pytest.raises(BadMessage):
        decode_body(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_measured_or_refused(seed: int) -> None:
    random = Random(seed)
    accepted(random.randbytes(MAX_NODES + random.randrange(1, 300)))


@given(values, st.data())
def test_a_truncated_text_is_refused_when_it_is_long(value: object, data: st.DataObject) -> None:
    body = msgpack.packb([value, *(["0123456789abcdef"] * 700)])
    assert accepted(body) == (measure(value)[1] < MAX_DEPTH)
    assert not accepted(body[: data.draw(st.integers(MAX_NODES + 1, len(body) - 1))])
