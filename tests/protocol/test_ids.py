"""Identifiers: what they say, and that no two are the same, wherever they are made."""

import subprocess
import sys
import threading
import uuid

from rostra.protocol.clock import wall_ms
from rostra.protocol.ids import new_id, text_id

FORK = """
import os
from rostra.protocol.ids import new_id
new_id()
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, b"".join(new_id() for _ in range(10)))
    os._exit(0)
mine = {new_id()[6:] for _ in range(10)}
os.wait()
theirs = os.read(reading, 160)
assert len(theirs) == 160
assert mine.isdisjoint(theirs[at + 6 : at + 16] for at in range(0, 160, 16))
"""


def test_an_identifier_is_a_uuid_of_version_7_and_knows_when_it_was_made() -> None:
    for _ in range(200):  # more than are drawn at once
        before, made, after = wall_ms(), new_id(), wall_ms()
        parsed = uuid.UUID(text_id(made))
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert before <= int.from_bytes(made[:6], "big") <= after


def test_identifiers_differ_whichever_thread_makes_them() -> None:
    made: list[list[bytes]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda own=own: own.extend(new_id() for _ in range(2000))) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one[6:] for own in made for one in own}) == 8000


def test_a_forked_process_does_not_go_on_with_the_identifiers_of_its_parent() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)
