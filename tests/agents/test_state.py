"""What an agent keeps between messages: one test body over both stores, and the actor on top."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from rostra.agents import Actor, Context, MemoryStore, SqliteStore, State, Store
from rostra.protocol import ChatMessage, Client, Member, Turn, TurnReply
from rostra.protocol.ids import new_id

from .conftest import Keep

Join = Callable[..., Awaitable[Client]]
BOUND = 20.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "deep" / "state.db")
    yield made
    made.close()


def said(*texts: str) -> list[ChatMessage]:
    return [ChatMessage(content=text, name="bob") for text in texts]


def test_what_was_seen_is_kept_in_order_and_can_be_taken_back(store: Store) -> None:
    assert store.seen("c") == []
    store.extend("c", 0, said("a", "b"))
    store.extend("c", 2, said("c", "d"))
    store.extend("other", 0, said("x"))
    store.back_to("c", 3)
    store.extend("c", 3, said("D"))
    assert [each.text for each in store.seen("c")] == ["a", "b", "c", "D"]
    assert [each.text for each in store.seen("other")] == ["x"]


def test_answers_are_kept_by_key_and_the_oldest_ones_are_forgotten(store: Store) -> None:
    for number in range(1100):
        store.keep_answer(number.to_bytes(2, "big"), b"answer")
    assert store.answer((1099).to_bytes(2, "big")) == b"answer"
    assert store.answer((0).to_bytes(2, "big")) is None


def test_a_handlers_own_values_are_kept(store: Store) -> None:
    state = State(store)
    assert state.get("count", 0) == 0
    state.put("count", {"turns": [1, 2]})
    assert state.get("count") == {"turns": [1, 2]}
    state.delete("count")
    state.delete("count")
    assert state.get("count") is None


def test_replicas_share_what_is_on_disk(tmp_path: Path) -> None:
    one, other = SqliteStore(tmp_path / "s.db"), SqliteStore(tmp_path / "s.db")
    one.keep_answer(b"k", b"v")
    State(one).put("x", 1)
    assert (other.answer(b"k"), State(other).get("x")) == (b"v", 1)
    one.close()
    other.close()


@pytest.mark.semantics("S4.16")
async def test_a_turn_that_was_answered_before_a_crash_is_not_worked_on_again(tmp_path: Path, kept: Keep, join: Join) -> None:
    worked: list[str] = []

    async def answer(message: ChatMessage, context: Context) -> str:
        worked.append(message.text)
        context.state.put("turns", context.state.get("turns", 0) + 1)
        return f"answer {context.state.get('turns')}"

    coordinator, id_ = await join("coordinator"), new_id()
    turn = Turn(chat="c", sequence=2, epoch=1, after=0, messages=(ChatMessage(content="task", name="user", sequence=1),))
    replies: list[TurnReply] = []
    for _ in range(2):
        store = SqliteStore(tmp_path / "s.db")
        actor = Actor(await join("ann"), answer, Member(name="ann"), store=store)
        replies.append(await coordinator.request("ann", "turn", turn, reply=TurnReply, timeout=BOUND, id=id_))
        await actor.client.aclose()
        store.close()
    assert replies[0] == replies[1]
    assert worked == ["task"]
    store = kept(SqliteStore(tmp_path / "s.db"))
    assert [each.text for each in store.seen("c")] == ["task", "answer 1"]
    Actor(await join("ann"), answer, Member(name="ann"), store=store)
    later = Turn(chat="c", sequence=4, epoch=1, after=2, messages=(ChatMessage(content="more", name="user", sequence=3),))
    reply = await coordinator.request("ann", "turn", later, reply=TurnReply, timeout=BOUND)
    assert reply.message.text == "answer 2"
