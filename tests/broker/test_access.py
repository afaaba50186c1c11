"""The guard's rules: what the holder of a key may do, and no more once it is revoked."""

from pathlib import Path
from typing import Any

import pytest

from rostra.broker.access import Access, BadAccess, Rules
from rostra.broker.core import Core
from rostra.broker.outputs import ToDisk, ToPeer
from rostra.protocol.directory import MailQuery
from rostra.protocol.frames import decode_head, encode_body, encode_head
from rostra.protocol.messages import Error, Header, Hello, Request, Welcome

from .keyed import ID


def test_a_console_is_under_the_rules_of_its_key() -> None:
    access = Access({"console": Rules(tell=()), "default": Rules(ask=())})
    assert not access.allows("console-0123ab", "tell", "ada")
    assert access.allows("console-0123ab", "ask", "ada")
    assert not access.allows("ada", "ask", "ben")


@pytest.mark.parametrize(
    ("wish", "allowed"),
    [("chat.1", True), ("chat.", True), ("chat", False), ("", False), ("chat.>", True), ("news", True), ("new", False)],
)
def test_a_subscription_is_covered_by_the_prefix_that_is_filtered_by(wish: str, allowed: bool) -> None:
    access = Access({"ada": Rules(subscribe=("chat.>", "news"))})
    assert access.allows("ada", "subscribe", wish) is allowed


@pytest.mark.parametrize("text", ["[ada]\nsing = []", "[ada]\nask = ['..']", "[ada]\nsubscribe = ['a.*']", "nonsense"])
def test_an_access_file_that_cannot_be_kept_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "access.toml").write_text(text)
    with pytest.raises(BadAccess):
        Access.load(tmp_path / "access.toml")


def guarded(access: Access | None = None) -> Core:
    core = Core(b"b" * 16, guarded=True, access=access)
    core.admit({"ada key1", "eve key2", "console key3"})
    return core


def said(outputs: list[Any]) -> list[Header]:
    return [decode_head(output.head) for output in outputs if isinstance(output, ToPeer)]


def test_the_holder_of_a_revoked_key_is_not_let_in_again_over_the_connection_it_still_has() -> None:
    core = guarded()
    hello = encode_head(Hello("ada", b"1" * 16))
    assert isinstance(said(core.received(b"1", b"", hello, b"", "ada key1"))[0], Welcome)
    assert core.admit({"eve key2"})
    core.tick()
    (answer,) = said(core.received(b"1", b"", hello, b"", "ada key1"))
    assert isinstance(answer, Error)
    assert answer.code == "refused"
    assert not core.may_subscribe("ada key1", b"x")


def test_a_name_with_a_new_key_does_not_let_in_the_old_one() -> None:
    core = guarded()
    hello = encode_head(Hello("ada", b"1" * 16))
    core.received(b"1", b"", hello, b"", "ada key1")
    assert core.admit({"ada key9", "eve key2"})
    core.tick()
    assert isinstance(said(core.received(b"1", b"", hello, b"", "ada key1"))[0], Error)
    assert isinstance(said(core.received(b"9", b"", hello, b"", "ada key9"))[0], Welcome)


def test_letters_of_others_are_not_for_the_holder_of_an_ordinary_key() -> None:
    core = guarded()
    request = encode_head(Request(ID, "mail.show", 0))
    for name, key in (("eve", "eve key2"), ("console-0123ab", "console key3")):
        core.received(name.encode()[:3], b"", encode_head(Hello(name, name[:1].encode() * 16)), b"", key)
    body = encode_body(MailQuery(recipient="ada"))
    (refused,) = said(core.received(b"eve", b"", request, body, "eve key2"))
    assert isinstance(refused, Error)
    (asked,) = core.received(b"con", b"", request, body, "console key3")
    assert isinstance(asked, ToDisk)
