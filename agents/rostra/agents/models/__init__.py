"""What powers agents: models over the gateway, on an OpenAI-compatible server, from a script or a recording.

Names are imported when they are first used: an agent that asks the gateway does not pay for the other models.
"""

from typing import TYPE_CHECKING

from rostra.protocol.lazily import lazily

if TYPE_CHECKING:
    from .base import ModelClient, ModelError
    from .config import ModelConfig, Price
    from .gateway_model import GatewayModel
    from .keys import BadKey
    from .openai_model import OpenAIModel
    from .recorded import BadRecording, RecordedModel, Recorder
    from .scripted import BadScript, ScriptedModel

__all__ = [
    "BadKey",
    "BadRecording",
    "BadScript",
    "GatewayModel",
    "ModelClient",
    "ModelConfig",
    "ModelError",
    "OpenAIModel",
    "Price",
    "RecordedModel",
    "Recorder",
    "ScriptedModel",
]

_HOMES = {
    "BadKey": "keys",
    "BadRecording": "recorded",
    "BadScript": "scripted",
    "GatewayModel": "gateway_model",
    "ModelClient": "base",
    "ModelConfig": "config",
    "ModelError": "base",
    "OpenAIModel": "openai_model",
    "Price": "config",
    "RecordedModel": "recorded",
    "Recorder": "recorded",
    "ScriptedModel": "scripted",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
