"""What was published, per topic: the sequence, and a ring of what can still be replayed."""

import os
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from rostra.protocol.directory import Replayed
from rostra.protocol.names import matches

RING_EVENTS = 1024
RING_BYTES = 8 * 1024 * 1024
TOTAL_BYTES = 64 * 1024 * 1024
"""All rings together; the topic that was quiet longest forgets first."""
MAX_TOPICS = 4096
REPLAY_BYTES = 768 * 1024
"""Upper bound of one answer to REPLAY, well below the limit of a frame."""


@dataclass(slots=True)
class Topic:
    """One topic's sequence and ring."""

    series: bytes = field(default_factory=lambda: os.urandom(8))
    last: int = 0
    ring: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    size: int = 0


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

    def retain(self, name: str, head: bytes, body: bytes) -> None:
        """Keep the event just numbered; forget what is beyond the bounds."""
        topic = self._topics[name]
        topic.ring.append((head, body))
        topic.size += len(head) + len(body)
        self.retained += len(head) + len(body)
        while len(topic.ring) > RING_EVENTS or topic.size > RING_BYTES:
            self._forget(topic)
        while self.retained > TOTAL_BYTES:
            quiet = next(one for one in self._topics.values() if one.ring)
            self._forget(quiet)

    def heads(self, pattern: str) -> dict[str, tuple[bytes, int]]:
        """Each topic under `pattern` with its series and last sequence."""
        if pattern in self._topics:
            return {pattern: (self._topics[pattern].series, self._topics[pattern].last)}
        return {name: (topic.series, topic.last) for name, topic in self._topics.items() if matches(pattern, name)}

    def replay(self, name: str, after: int, limit: int) -> Replayed | None:
        """What is retained of a topic after a sequence, as many as fit in one answer; None for an unknown topic."""
        topic = self._topics.get(name)
        if topic is None:
            return None
        first = topic.last - len(topic.ring) + 1
        start = max(0, after + 1 - first)
        events: list[tuple[bytes, bytes]] = []
        size = 0
        for index in range(start, min(len(topic.ring), start + max(1, limit))):
            event = topic.ring[index]
            size += len(event[0]) + len(event[1]) + 16
            if events and size > REPLAY_BYTES:
                break
            events.append(event)
        return Replayed(series=topic.series, first=first, last=topic.last, events=tuple(events))

    def _forget(self, topic: Topic) -> None:
        head, body = topic.ring.popleft()
        topic.size -= len(head) + len(body)
        self.retained -= len(head) + len(body)
