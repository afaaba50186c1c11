"""The model of an agent: whatever the gateway makes of it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rostra.protocol import GATEWAY, BadMessage, Client, PeerLost, RequestError, Stopping, Subscription, TooLarge
from rostra.protocol.chat import Delta
from rostra.protocol.completion import Completion, CompletionRequest, Embeddings, EmbedRequest, StreamTo
from rostra.protocol.errors import UnknownCode
from rostra.protocol.ids import new_id

from .base import ModelError
from .pieces import Shown

ABSENT = 60.0
"""Seconds that a gateway may take to be started again."""
EMBEDDING = 60.0
"""Seconds that embeddings may take: a model waits for them before it is asked."""
PAUSE = 0.25
"""Seconds between two tries while it shuts down."""


class GatewayModel:
    """Asks the agent `models` over the bus; the key, the limits and the bill are there.

    `model`: the name of a `[models.NAME]` table, used for requests that name none of their own. `absent`: seconds for which a
    gateway that is away is waited for. There is no time limit otherwise: the gateway has its own, and a cancel reaches it.
    """

    def __init__(self, client: Client, model: str = "default", *, absent: float = ABSENT) -> None:
        self._client, self.model, self._absent = client, model, absent

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """Complete the conversation; raises `ModelError`, also when the gateway cannot be reached.

        A `DeltaSink` names a topic: the gateway publishes the pieces there itself, and the sink is not called. Another callable
        is called with each piece.
        """
        if request.model == "default":
            request = msgspec.structs.replace(request, model=self.model)
        if on_delta is None:
            return await self._ask(request)
        stream = _stream(on_delta)
        if stream is not None:
            return await self._ask(msgspec.structs.replace(request, stream=stream))
        return await self._watched(request, on_delta)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """The vectors of some texts; raises `ModelError`."""
        request = EmbedRequest(texts=tuple(texts), model=self.model)
        try:
            made: Embeddings = await self._client.request(
                GATEWAY, "embed", request, reply=Embeddings, timeout=EMBEDDING, absent=self._absent
            )
        except RequestError as error:
            raise _model_error(error) from error
        except (TooLarge, BadMessage) as error:
            raise ModelError(f"no request or answer for a model: {error}", peer=GATEWAY) from error
        return made

    async def _watched(self, request: CompletionRequest, on_delta: Callable[[str], None]) -> Completion:
        topic, shown = f"delta.{new_id().hex()}", Shown(on_delta)
        request = msgspec.structs.replace(request, stream=StreamTo(topic=topic, chat=request.chat, speaker=request.agent))
        async with self._client.subscribe(topic) as subscription:
            reader = asyncio.ensure_future(_read(subscription, shown))
            try:
                completion = await self._ask(request)
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
        # Events and replies take different ways: the last pieces may still be under way, and are in the answer anyhow.
        shown.finish(completion.content)
        return completion

    async def _ask(self, request: CompletionRequest) -> Completion:
        id_, loop = new_id(), asyncio.get_running_loop()
        give_up: float | None = None
        while True:
            absent = self._absent if give_up is None else max(0.0, give_up - loop.time())
            try:
                completion: Completion = await self._client.request(
                    GATEWAY, "complete", request, reply=Completion, timeout=None, absent=absent, id=id_
                )
                return completion
            except (Stopping, PeerLost) as error:
                # It went while it worked: the next gateway is asked the same.
                give_up = give_up if give_up is not None else loop.time() + self._absent
                if loop.time() + PAUSE >= give_up:
                    raise _model_error(error) from error
                await asyncio.sleep(PAUSE)
            except RequestError as error:
                raise _model_error(error) from error
            except TooLarge as error:
                raise ModelError(f"the conversation is too long for one message: {error}", peer=GATEWAY) from error
            except BadMessage as error:
                raise ModelError(f"no request or answer for a model: {error}", peer=GATEWAY) from error


async def _read(subscription: Subscription, shown: Shown) -> None:
    async for event in subscription:
        if event.sender == GATEWAY:
            shown(event.decode(Delta).text)


def _stream(on_delta: Any) -> StreamTo | None:
    topic = getattr(on_delta, "topic", None)
    if not isinstance(topic, str) or not topic:
        return None
    return StreamTo(topic=topic, chat=on_delta.chat, sequence=on_delta.sequence, speaker=on_delta.speaker)


def _model_error(error: RequestError) -> ModelError:
    """What the gateway said, as the model's own error; a gateway that is not there may be asked again."""
    details = dict(error.details)
    if isinstance(error, UnknownCode) and error.wire_code == ModelError.code:
        retryable = bool(details.pop("retryable", False))
        return ModelError(str(error).removeprefix(f"{error.wire_code}: "), peer=error.peer, details=details, retryable=retryable)
    retryable = error.code in ("no_such_agent", "peer_lost", "broker_lost", "timed_out", "mailbox_full", "stopping")
    return ModelError(f"the model gateway: {error}", peer=GATEWAY, details={**details, "code": error.code}, retryable=retryable)
