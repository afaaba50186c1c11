"""Keys of OpenAIModel: never shown, never sent to another server, missed at start."""

import logging
import os
from typing import Any

import pytest

from rostra.agents.models import BadKey, ModelError, OpenAIModel

from .chunks import KEY, Make, asked, delta, finish


async def test_a_key_is_never_shown(raw: Any, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    raw.refuses(503, f"bad key {KEY}, and Bearer abcdefghijkl, and sk-proj-other0123456789")
    model = make(raw.base_url, api_key=KEY, retries=1)

    with pytest.raises(ModelError) as caught:
        await model.complete(asked())

    assert f"authorization: Bearer {KEY}" in raw.headers[0].replace("Authorization", "authorization")
    shown = repr(caught.value) + repr(caught.value.details) + caplog.text
    for secret in (KEY, "abcdefghijkl", "other0123456789"):
        assert secret not in shown


async def test_the_environments_key_is_not_sent_to_another_server(raw: Any, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    raw.streams(delta(content="x"), finish())

    await make(raw.base_url).complete(asked())

    assert KEY not in raw.headers[0]


def test_no_key_anywhere_is_an_error_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)

    with pytest.raises(BadKey):
        OpenAIModel("gpt-5-mini")
