"""blackboard: experts that know nothing of each other solve a problem by what they read and write on topics.

rostra broker --bind ipc:///tmp/rostra-bus/broker &
for expert in splitter reader adder; do python examples/blackboard/blackboard.py ipc:///tmp/rostra-bus/broker $expert & done
python examples/blackboard/blackboard.py ipc:///tmp/rostra-bus/broker ask "seven and eleven and twenty"

A note on the board is an event on the topic `board.<problem>.<kind>`. Each expert subscribes to the kind that it can read, and
publishes what it makes of it. The broker retains the notes, so that an expert that comes late, or again, reads what stands there
already; every note has its place, so that what is written twice counts once.
"""

import asyncio
import secrets
import sys
from collections.abc import Iterator
from typing import Any

from rostra.protocol import Client

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBERS = {word: number for number, word in enumerate(WORDS)} | {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}

Written = tuple[str, dict[str, Any]]
"""A kind, and what is written under it."""


class Splitter:
    """Reads a `problem`, writes its `words`."""

    reads = "problem"

    def think(self, problem: str, note: dict[str, Any]) -> Iterator[Written]:
        """One note for each word: which, and of how many."""
        words = note["text"].replace(" and ", " ").split()
        for place, word in enumerate(words):
            yield "word", {"word": word, "place": place, "of": len(words)}


class Reader:
    """Reads a `word`, writes the `number` that it means."""

    reads = "word"

    def think(self, problem: str, note: dict[str, Any]) -> Iterator[Written]:
        """A number, or that nobody knows the word."""
        if note["word"] in NUMBERS:
            yield "number", {"number": NUMBERS[note["word"]], "place": note["place"], "of": note["of"]}
        else:
            yield "answer", {"text": f"nobody can read {note['word']!r}"}


class Adder:
    """Reads `numbers`, writes the `answer` once it has them all."""

    reads = "number"

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, int]] = {}

    def think(self, problem: str, note: dict[str, Any]) -> Iterator[Written]:
        """Nothing until the last number is there."""
        numbers = self._seen.setdefault(problem, {})
        if note["place"] in numbers:
            return
        numbers[note["place"]] = note["number"]
        if len(numbers) == note["of"]:
            terms = [numbers[place] for place in sorted(numbers)]
            yield "answer", {"text": f"{' + '.join(map(str, terms))} = {sum(terms)}"}


EXPERTS: dict[str, type[Splitter] | type[Reader] | type[Adder]] = {"splitter": Splitter, "reader": Reader, "adder": Adder}


async def expert(address: str, name: str) -> None:
    """Be one expert, until the broker ends the session."""
    mind = EXPERTS[name]()
    async with Client.connect(address, name=name) as bus, bus.subscribe(f"board.*.{mind.reads}", since=0) as notes:
        print(f"{name} reads", flush=True)
        async for note in notes:
            problem = note.topic.split(".")[1]
            for kind, written in mind.think(problem, note.payload):
                bus.publish(f"board.{problem}.{kind}", written)


async def ask(address: str, text: str) -> str:
    """Write a problem on the board, and wait for its answer."""
    problem = secrets.token_hex(4)
    async with Client.connect(address, name=f"asker-{problem}") as bus, bus.subscribe(f"board.{problem}.answer") as answers:
        bus.publish(f"board.{problem}.problem", {"text": text})
        answer: str = (await anext(answers)).payload["text"]
        return answer


def main() -> None:
    """`ADDRESS EXPERT`, or `ADDRESS ask TEXT`."""
    address, role, *text = sys.argv[1:]
    if role == "ask":
        print(asyncio.run(ask(address, " ".join(text))))
    else:
        asyncio.run(expert(address, role))


if __name__ == "__main__":
    main()
