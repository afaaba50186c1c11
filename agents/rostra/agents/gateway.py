"""The model gateway: the one process that holds keys and asks models, for everybody on the bus."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rostra.protocol import GATEWAY, BadName, Client, Incoming, Member, Refused, Service, Usage, redaction
from rostra.protocol.chat import Payload
from rostra.protocol.completion import Completion, CompletionRequest, Embeddings, EmbedRequest
from rostra.protocol.failpoints import passing
from rostra.protocol.names import check_topic
from rostra.protocol.redaction import Pieces

from .models.base import ModelClient, ModelError
from .models.cache import Cache
from .models.config import ModelConfig, unknown_fallbacks
from .models.digest import canonical, digest
from .models.live import Live
from .models.make import make_model
from .models.pieces import Shown
from .models.prices import cost_of
from .models.recorded import Recorder, Timed

log = logging.getLogger(__name__)

CONCURRENCY = 256
"""Completions at once; most of their time is waiting for a server, or for a model's rate limit."""
DRAIN = 5.0
"""Seconds that completions under way have when the gateway stops."""


class ModelStats(Payload, frozen=True, kw_only=True, omit_defaults=False):
    """What one model has done since the gateway started."""

    calls: int = 0
    """Completions given, the cached ones not counted."""
    errors: int = 0
    """Completions that failed, after their repetitions."""
    cached: int = 0
    """Completions given from memory."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    estimated: bool = False
    """Some of the usage is an estimate."""


class Gateway:
    """Answers `complete` and `stats` (docs/messages.md) on `client`.

    `models`: by name, as configured or ready made; paths in them are relative to `base`. `record`: where everything that is
    asked and answered is recorded. Whatever is needed is loaded at once: raises `BadScript`, `BadRecording`, `BadKey`, and
    ValueError for a fallback that does not exist.
    """

    def __init__(
        self,
        client: Client,
        models: Mapping[str, ModelConfig | ModelClient],
        base: Path = Path(),
        record: Path | None = None,
    ) -> None:
        for name, other in unknown_fallbacks(models):
            raise ValueError(f"models.{name}: fallback {other!r} is no model")
        self._client = client
        client.keeps = record is not None
        self._configs = {name: model for name, model in models.items() if isinstance(model, ModelConfig)}
        self._models = {
            name: make_model(name, model, base) if isinstance(model, ModelConfig) else model for name, model in models.items()
        }
        for config in self._configs.values():
            cost_of(Usage(), config)  # loads the published prices now, not in the midst of the first answer
        self._caches = {name: Cache() for name, config in self._configs.items() if config.cache}
        self._recorder = Recorder(record) if record else None
        self.stats = dict.fromkeys(models, ModelStats())
        """Per model; replaced, never changed in place."""
        self.service = Service(client, concurrency=CONCURRENCY)
        self.service.method("complete", CompletionRequest, self._complete)
        self.service.method("embed", EmbedRequest, self._embed)
        self.service.method("stats", None, self._stats)

    async def aclose(self) -> None:
        """Finish what is under way, within `DRAIN` seconds, and let go of connections and files."""
        await self.service.drain(DRAIN)
        for model in self._models.values():
            close = getattr(model, "aclose", None)
            if close is not None:
                await close()
        if self._recorder:
            self._recorder.close()

    async def _embed(self, request: EmbedRequest, _: Incoming) -> Embeddings:
        model = self._models.get(request.model)
        if model is None:
            raise ModelError(f"there is no model {request.model!r}; there are: {', '.join(sorted(self._models)) or 'none'}")
        embed = getattr(model, "embed", None)
        if embed is None:
            raise ModelError(f"the model {request.model!r} makes no embeddings")
        try:
            made: Embeddings = await embed(request.texts)
        except ModelError as error:
            self._count(request.model, errors=1)
            log.warning("model %s: %s", request.model, error)
            raise
        config = self._configs.get(request.model)
        usage = msgspec.structs.replace(made.usage, cost=cost_of(made.usage, config)) if config else made.usage
        self._count(request.model, calls=1, usage=usage)
        return msgspec.structs.replace(made, usage=usage)

    async def _stats(self, _: None, request: Incoming) -> dict[str, ModelStats]:
        return self.stats

    async def _complete(self, request: CompletionRequest, incoming: Incoming) -> Completion:
        live = self._live(request, incoming)
        sink = Timed(live)
        passing("gateway.asked")
        masked = Pieces(redaction.own, sink)
        completion = redaction.own.struct(await self._through(request, Shown(masked)))
        masked.flush()
        passing("gateway.answered")
        if live:
            live.flush()
        if self._recorder:
            self._recorder.write(request, completion, sink.pieces)
        passing("gateway.recorded")
        return completion

    def _live(self, request: CompletionRequest, incoming: Incoming) -> Live | None:
        """Where the pieces go. The speaker is who asks: nobody's words appear under another name."""
        if request.stream is None:
            return None
        topic = request.stream.topic
        try:
            check_topic(topic)
        except BadName as error:
            raise Refused(f"complete: {error}") from None
        if not topic.startswith("delta."):
            raise Refused(f"complete: pieces are published under delta, not on {topic!r}")
        return Live(self._client, request.stream, incoming.sender.partition("~")[0])

    async def _through(self, request: CompletionRequest, shown: Shown) -> Completion:
        """The answer of the model that is asked for, or of the first of its fallbacks that has one."""
        failures: list[tuple[str, ModelError]] = []
        for name in self._chain(request.model):
            try:
                completion = await self._by(name, request, shown)
            except ModelError as error:
                self._count(name, errors=1)
                log.warning("model %s: %s", name, error)
                failures.append((name, error))
                continue
            shown.finish(completion.content)
            return completion
        if len(failures) == 1:
            raise failures[0][1]
        said = "; ".join(f"{name}: {error}" for name, error in failures)
        raise ModelError(said, retryable=any(error.retryable for _, error in failures))

    def _chain(self, name: str) -> list[str]:
        if name not in self._models:
            raise ModelError(f"there is no model {name!r}; there are: {', '.join(sorted(self._models)) or 'none'}")
        chain = [name]
        for one in chain:
            config = self._configs.get(one)
            chain += [other for other in (config.fallback if config else ()) if other not in chain]
        return chain

    async def _by(self, name: str, request: CompletionRequest, shown: Shown) -> Completion:
        cache, key = self._caches.get(name), ""
        if cache is not None:
            key = digest(canonical(request))
            kept = cache.get(key)
            if kept is not None:
                self._count(name, cached=1)
                return kept
        shown.begin()
        completion = self._priced(name, await self._models[name].complete(request, shown))
        self._count(name, calls=1, usage=completion.usage)
        if cache is not None:
            cache.put(key, completion)
        return completion

    def _priced(self, name: str, completion: Completion) -> Completion:
        config = self._configs.get(name)
        if config is None:
            return completion
        usage = completion.usage
        if config.api != "recorded" or config.price is not None:
            usage = msgspec.structs.replace(usage, cost=cost_of(usage, config))
        return msgspec.structs.replace(completion, usage=usage)

    def _count(self, name: str, *, calls: int = 0, errors: int = 0, cached: int = 0, usage: Usage | None = None) -> None:
        before, usage = self.stats[name], usage or Usage()
        self.stats[name] = ModelStats(
            calls=before.calls + calls,
            errors=before.errors + errors,
            cached=before.cached + cached,
            prompt_tokens=before.prompt_tokens + usage.prompt_tokens,
            completion_tokens=before.completion_tokens + usage.completion_tokens,
            cost=before.cost + usage.cost,
            estimated=before.estimated or usage.estimated,
        )


async def serve(
    address: str,
    models: Mapping[str, ModelConfig | ModelClient],
    base: Path,
    record: Path | None = None,
    *,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
) -> None:
    """Be the gateway of the broker at `address` until `stop` is set; `ready` is called once it answers.

    Raises as `Gateway`, `BrokerLost` when there is no broker, and what ended the session, `Superseded` for one.
    """
    info = msgspec.to_builtins(Member(name=GATEWAY, description="Asks the models.", kind="gateway"))
    client = Client.connect(address, name=GATEWAY, info=info)
    gateway = Gateway(client, models, base, record)  # before the first request can come
    stopping = asyncio.ensure_future(stop.wait())
    try:
        async with client:
            if ready:
                ready()
            waiting: set[asyncio.Future[Any]] = {stopping, client.ended}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await gateway.aclose()  # while there is a bus to answer on
            if client.ended.done() and (error := client.ended.result()):
                raise error
    finally:
        stopping.cancel()
        await gateway.aclose()  # also when there was no broker; a second time does nothing
