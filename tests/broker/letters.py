"""Letters for tests of the parts that carry them: one at a time, in a store, in the hands of an office."""

from typing import Any

from rostra.broker.mail.office import Handing, Office
from rostra.broker.mail.operations import Letter, Load, Loaded, Result, Store
from rostra.broker.mail.store import MailStore

EPOCH = b"e" * 16
BOOT = b"b" * 16


def letter(sequence: int, recipient: str = "ben", *, source: str = "ada", body: bytes = b"x", epoch: bytes = EPOCH) -> Letter:
    return Letter(0, recipient, source, epoch, sequence, body)


def kept(store: MailStore, *letters: Letter) -> list[Result]:
    return store.apply([Store(b"r", one, one.sequence - 1) for one in letters])


def handed(steps: list[Any]) -> list[tuple[bytes, int, int]]:
    return [(step.route, step.delivery, step.letter.number) for step in steps if isinstance(step, Handing)]


def loads(steps: list[Any]) -> list[Load]:
    return [step for step in steps if isinstance(step, Load)]


def numbered(*numbers: int) -> list[Letter]:
    return [Letter(number, "ben", "ada", EPOCH, number, b"x") for number in numbers]


def filled(count: int) -> tuple[Office, list[Any]]:
    office = Office()
    (load,) = loads(office.arrived("ben", b"1", 0.0))
    return office, office.loaded(Loaded("ben", numbered(*range(1, count + 1)), load.ticket), 0.0)
