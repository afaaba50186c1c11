"""Files that belong to messages."""

import base64
import json
from pathlib import Path

import pytest

from rostra.console.attachments import attachments
from rostra.console.exporting import FORMATS, Exported
from rostra.protocol import ChatMessage
from rostra.protocol.chat import ChatInfo

from .conftest import Cli

PNG = base64.b64encode(b"picture").decode()
TEAM = """
[team]
name = "gallery"
[chat]
selection = "round_robin"
max_rounds = 2
[agents.painter]
kind = "handler"
handler = "painter:paint"
[agents.viewer]
kind = "handler"
handler = "painter:paint"
"""
PAINTER = f"""
from rostra.protocol import ChatMessage

def paint(message):
    return ChatMessage(content="here", metadata={{"attachments": [{{"name": "a.png", "type": "image/png", "data": "{PNG}"}}]}})
"""


def message(**attachment: object) -> ChatMessage:
    return ChatMessage(name="ann", sequence=1, content="x", metadata={"attachments": [attachment]})


def test_files_of_a_chat_are_written_and_never_over_others(rostra: Cli, tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text(TEAM)
    (tmp_path / "painter.py").write_text(PAINTER)
    rostra("run", str(tmp_path / "team.toml"), "Paint.", "--chat", "one", code=5)
    where = tmp_path / "pictures"
    done = rostra("chat", "files", "one", "-o", str(where), "--json")
    assert json.loads(done.out)["files"] == [str(where / "2-a.png")]
    assert (where / "2-a.png").read_bytes() == b"picture"
    assert "2-a.png" in rostra("chat", "files", "one", "-o", str(where), code=None).err
    assert "data:image/png;base64," in rostra("chat", "export", "one", "--format", "html").out


@pytest.mark.parametrize(
    "attachment",
    [
        {"name": "../a.png", "type": "image/png", "data": PNG},
        {"name": "a.html", "type": "text/html", "data": PNG},
        {"name": "a.png", "type": "image/png", "data": "x"},
        {"name": "a.png", "type": "image/png"},
        {"name": 'a" onload="x', "type": "image/png", "data": PNG},
    ],
)
def test_what_is_no_picture_is_left_out(attachment: dict[str, object]) -> None:
    assert attachments(message(**attachment)) == []


def test_a_page_shows_pictures_that_it_holds_itself() -> None:
    svg = "<svg onload='x'/>"
    said = message(name="a.svg", type="image/svg+xml", data=svg)
    page = FORMATS["html"](Exported(chat=ChatInfo(chat="c", state="ended", task="t"), messages=(said,)))
    assert svg not in page
    assert f'src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"' in page
