"""From a `[models.NAME]` table to a model."""

from collections.abc import Callable
from pathlib import Path

from rostra.protocol.completion import Completion, CompletionRequest

from .base import ModelClient
from .config import ModelConfig
from .openai_model import OpenAIModel
from .pace import Pace
from .recorded import RecordedModel
from .scripted import ScriptedModel


def make_model(name: str, config: ModelConfig, base: Path) -> ModelClient:
    """The model that `config` describes; its paths are relative to `base`.

    Raises `BadScript`, `BadRecording`, or `BadKey` for what it needs and does not find. Loads `openai` when it is one of those.
    """
    pace = Pace(config.requests_per_minute)
    match config.api:
        case "openai":
            return OpenAIModel.of(config, base, pace=pace)
        case "scripted":
            return Paced(ScriptedModel.load(base / config.script, name=config.model or name), pace)
        case "recorded":
            return Paced(RecordedModel(base / config.recording, speed=config.speed), pace)


class Paced:
    """A model that is asked at a pace."""

    def __init__(self, model: ModelClient, pace: Pace) -> None:
        self._model, self._pace = model, pace

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """See `ModelClient`."""
        await self._pace.wait()
        return await self._model.complete(request, on_delta)
