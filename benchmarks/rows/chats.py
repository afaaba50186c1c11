"""Turns of group chats between processes (rows 12, 13 and 15)."""

from benchmarks.measure import Case, Effort, Sample
from benchmarks.peers.environments import case
from benchmarks.processes import Cast
from benchmarks.team import assemble, watching

TURNS = 1000
CHATS, TURNS_EACH = 100, 30


def ours(synchronous: str, chats: int, turns: int) -> Sample:
    """One sample: from the first message seen to the last."""
    with Cast() as cast:
        address, _ = assemble(cast, synchronous)
        times = cast.start(watching, address, chats, turns).hear(300)
        took = max(seen[-1] for seen in times) - min(seen[0] for seen in times)
        said = sum(len(seen) - 1 for seen in times)
        return {"turns_s": said / took, "turns": said}


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `chats`."""
    turns, chats = effort.count(TURNS), effort.count(CHATS, least=10)
    cases: dict[str, Case] = {
        "rostra, FULL, 1000 turns": lambda: ours("FULL", 1, turns),
        "rostra, NORMAL, 1000 turns": lambda: ours("NORMAL", 1, turns),
        "rostra, FULL, 100 chats": lambda: ours("FULL", chats, TURNS_EACH),
    }
    if effort.peers:
        cases["agentchat RoundRobin, 1000 turns"] = case("autogen", "agentchat", case="chat", turns=turns)
        cases["AutoGen 0.2 GroupChat, 1000 turns"] = case("autogen02", "autogen02", case="chat", turns=turns)
        cases["LangGraph + SqliteSaver, 1000 turns"] = case("langgraph", "langgraph_chat", case="chat", turns=turns)
    return cases
