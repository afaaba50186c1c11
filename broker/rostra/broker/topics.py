"""What was published, per topic: the sequence, a ring of what can still be replayed, and how far each publisher has come."""

import os
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from rostra.protocol.directory import Forgotten, Head, Position, Replayed
from rostra.protocol.limits import MAX_EVENT
from rostra.protocol.names import matches

RING_EVENTS = 1024
RING_BYTES = 8 * 1024 * 1024
TOTAL_BYTES = 64 * 1024 * 1024
"""All rings together; the topic that was quiet longest forgets first."""
MAX_TOPICS = 4096
MAX_PRODUCERS = 256
"""Publishers remembered per topic; the one that was quiet longest is forgotten first."""
REPLAY_BYTES = 960 * 1024
"""Upper bound of the events in one answer to `replay`; more than one event has, less than a frame."""

assert MAX_EVENT < REPLAY_BYTES


class Producer(NamedTuple):
    """Who published: a peer in one of its lives."""

    sender: str
    epoch: bytes


@dataclass(slots=True)
class _Progress:
    """The numbers that a publisher gave its events on a topic: the first that arrived, the last, the newest forgotten."""

    first: int
    last: int
    forgotten: int = 0


class _Kept(msgspec.Struct, gc=False):
    head: bytes
    body: bytes
    producer: Producer
    number: int
    size: int


@dataclass(slots=True)
class Topic:
    """One topic's sequence and ring."""

    series: bytes = field(default_factory=lambda: os.urandom(8))
    last: int = 0
    ring: deque[_Kept] = field(default_factory=deque)
    size: int = 0
    producers: OrderedDict[Producer, _Progress] = field(default_factory=OrderedDict)

    def head(self) -> Head:
        """Where the topic stands."""
        producers = tuple(Position(one.sender, one.epoch, progress.last) for one, progress in self.producers.items())
        return Head(self.series, self.last, producers)


class Topics:
    """All topics, least recently published first."""

    def __init__(self) -> None:
        self._topics: OrderedDict[str, Topic] = OrderedDict()
        self.retained = 0

    def __len__(self) -> int:
        return len(self._topics)

    def next(self, name: str) -> tuple[bytes, int]:
        """The series and sequence for the next event on a topic."""
        topic = self._topics.get(name)
        if topic is None:
            if len(self._topics) >= MAX_TOPICS:
                _, oldest = self._topics.popitem(last=False)
                self.retained -= oldest.size
            topic = self._topics[name] = Topic()
        else:
            self._topics.move_to_end(name)
        topic.last += 1
        return topic.series, topic.last

    def retain(self, name: str, head: bytes, body: bytes, producer: Producer, number: int) -> None:
        """Keep the event just numbered, its publisher's `number`; forget what is beyond the bounds."""
        topic = self._topics[name]
        progress = topic.producers.get(producer)
        if progress is None or number <= progress.last:
            topic.producers[producer] = _Progress(number, number)
        else:
            progress.last = number
        topic.producers.move_to_end(producer)
        if len(topic.producers) > MAX_PRODUCERS:
            topic.producers.popitem(last=False)
        size = len(head) + len(body)
        topic.ring.append(_Kept(head, body, producer, number, size))
        topic.size += size
        self.retained += size
        while len(topic.ring) > RING_EVENTS or topic.size > RING_BYTES:
            self._forget(topic)
        while self.retained > TOTAL_BYTES:
            quiet = next(one for one in self._topics.values() if one.ring)
            self._forget(quiet)

    def heads(self, pattern: str) -> dict[str, Head]:
        """Where each topic under `pattern` stands."""
        if pattern in self._topics:
            return {pattern: self._topics[pattern].head()}
        return {name: topic.head() for name, topic in self._topics.items() if matches(pattern, name)}

    def replay(self, name: str, after: int, limit: int) -> Replayed | None:
        """What is retained of a topic after a sequence, as many as fit in one answer; None for an unknown topic."""
        topic = self._topics.get(name)
        if topic is None:
            return None
        first = topic.last - len(topic.ring) + 1
        start = max(0, after + 1 - first)
        events: list[tuple[bytes, bytes]] = []
        size = 0
        for index in range(start, min(len(topic.ring), start + max(1, min(limit, RING_EVENTS)))):
            event = topic.ring[index]
            size += len(event.head) + len(event.body) + 16
            if events and size > REPLAY_BYTES:
                break
            events.append((event.head, event.body))
        forgotten: tuple[Forgotten, ...] = ()
        if first > after + 1:
            forgotten = tuple(
                Forgotten(producer.sender, producer.epoch, progress.first, progress.forgotten)
                for producer, progress in topic.producers.items()
                if progress.forgotten
            )
        return Replayed(series=topic.series, first=first, last=topic.last, events=tuple(events), forgotten=forgotten)

    def _forget(self, topic: Topic) -> None:
        kept = topic.ring.popleft()
        progress = topic.producers.get(kept.producer)
        if progress is not None and progress.first <= kept.number <= progress.last:
            progress.forgotten = kept.number
        topic.size -= kept.size
        self.retained -= kept.size
