"""What powers agents: models over the gateway, on an OpenAI-compatible server, from a script or a recording.

Importing this package loads neither `openai` nor anything else that is heavy: an `OpenAIModel` does when it is made.
"""

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
