"""What an agent needs of a model."""

from collections.abc import Callable
from typing import Protocol

from rostra.protocol.completion import Completion, CompletionRequest
from rostra.protocol.errors import RequestError


class ModelError(RequestError):
    """The model gave no usable answer; `retryable`: it may, if asked again."""

    code = "model_failed"

    def __init__(
        self, message: str, *, peer: str = "", details: dict[str, object] | None = None, retryable: bool = False
    ) -> None:
        super().__init__(message, peer=peer, details={**(details or {}), "retryable": retryable})
        self.retryable = retryable


class ModelClient(Protocol):
    """A model: messages, tools and options in; a completion out, its pieces to `on_delta` while it is written."""

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """Complete the conversation; raises `ModelError`."""
        ...
