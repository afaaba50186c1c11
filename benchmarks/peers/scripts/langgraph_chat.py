"""LangGraph: four nodes in rotation in one process, each step kept by SqliteSaver."""

import operator
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from roles import main

TEXT = "x" * 500
NAMES = [f"agent{number}" for number in range(4)]


class State(TypedDict):
    messages: Annotated[list, operator.add]
    turn: int


def chat(turns):
    def reply(name):
        def node(state):
            return {"messages": [{"name": name, "role": "assistant", "content": TEXT}], "turn": state["turn"] + 1}

        return node

    def following(state):
        return END if state["turn"] >= turns else NAMES[state["turn"] % 4]

    graph = StateGraph(State)
    for name in NAMES:
        graph.add_node(name, reply(name))
        graph.add_conditional_edges(name, following, [*NAMES, END])
    graph.add_edge(START, NAMES[0])
    with tempfile.TemporaryDirectory() as directory:
        connection = sqlite3.connect(Path(directory) / "graph.sqlite", check_same_thread=False)
        compiled = graph.compile(checkpointer=SqliteSaver(connection))
        opening = {"messages": [{"name": "user", "role": "user", "content": TEXT}], "turn": 0}
        began = time.perf_counter()
        result = compiled.invoke(opening, {"recursion_limit": turns + 50, "configurable": {"thread_id": "1"}})
        took = time.perf_counter() - began
        connection.close()
    said = len(result["messages"]) - 1
    return {"turns_s": said / took, "turns": said}


if __name__ == "__main__":
    main({"chat": chat})
