"""A model behind the chat completions API: OpenAI's own, or any server that imitates it.

There is one retry layer, and it is here: the SDK's (`max_retries`) is off. The SDK repeats only what fails before the first
byte of the answer, and a stream breaks later too: it ends without having finished, stalls, or carries what is no JSON. Two
layers would multiply, and neither would know what the other has waited.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import time
from array import array
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rostra.protocol import Usage, redaction
from rostra.protocol.completion import Completion, CompletionRequest, Embeddings
from rostra.protocol.redaction import MASK, Redactor

from .backoff import FIRST, LONGEST_ORDERED, backoff, retry_after
from .base import ModelError
from .config import ModelConfig
from .keys import DUMMY, BadKey, find_key
from .openai_messages import Body, format_to_api, in_words, messages_to_api, options_to_api, schema_of, tools_to_api
from .pace import Pace
from .pieces import Shown
from .profiles import Profile, profile_for
from .schema import problem, without_fence
from .stream import Assembly, Chunk
from .usage import estimate

if TYPE_CHECKING:
    import openai

log = logging.getLogger(__name__)

_AUTHORIZED = re.compile(r"(?<=Bearer )[^\s\"',]+")
CONNECT = 10.0
"""Seconds to reach the server."""
LESSONS = 3
"""How often, within one request, something refused is said otherwise."""


class OpenAIModel:
    """Asks `model` at `base_url` (empty: the SDK's default and environment), streaming, until it has a whole answer.

    `api_key`: None is the SDK's own, from the environment; with a `base_url` a dummy. The rest is as in `ModelConfig`; `first`
    is the pause before the first repetition in seconds, and `pace` holds back each attempt. Loads the package `openai` when it
    is made. Raises `BadKey` when the SDK finds no key.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = "",
        api_key: str | None = None,
        profile: str = "",
        options: Body | None = None,
        timeout: float = 600.0,
        begin: float = 180.0,
        stall: float = 60.0,
        retries: int = 5,
        first: float = FIRST,
        pace: Pace | None = None,
    ) -> None:
        import openai

        address = base_url or os.environ.get("OPENAI_BASE_URL", "")
        if api_key is None and (base_url or (address and not os.environ.get("OPENAI_API_KEY"))):
            api_key = DUMMY
        self.model, self.profile = model, profile_for(profile, address)
        self._options, self._retries, self._first = options or {}, retries, first
        self._timeout, self._begin, self._stall = timeout, begin, stall
        self._pace = pace or Pace(0)
        self._counts: bool | None = None
        """Whether the server sends usage; None: it has not been seen yet."""
        try:
            self._client = openai.AsyncOpenAI(
                api_key=api_key,
                base_url=base_url or None,
                timeout=openai.Timeout(timeout, connect=CONNECT),
                max_retries=0,
            )
        except openai.OpenAIError as error:
            raise BadKey(Redactor([api_key or ""]).text(str(error))) from None
        self._openai = openai

    @classmethod
    def of(cls, config: ModelConfig, base: Path, *, pace: Pace | None = None) -> "OpenAIModel":
        """The model that `config` describes; raises `BadKey`."""
        return cls(
            config.model,
            base_url=config.base_url,
            api_key=find_key(config, base),
            profile=config.profile,
            options=config.options,
            timeout=config.timeout,
            begin=config.begin,
            stall=config.stall,
            retries=config.retries,
            pace=pace,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """Complete the conversation; raises `ModelError`. `request.model` is a name of the team file and not looked at.

        With a JSON Schema as `response_format` the answer is checked, and asked once more when it does not conform.
        """
        shown = Shown(on_delta or (lambda _: None))
        options = {**self._options, **request.options}
        messages = messages_to_api(request.messages, self.profile)
        schema = schema_of(options.get("response_format"))
        completion = await self._attempts(request, options, messages, shown)
        wrong = _wrong(completion, schema)
        if wrong and schema:
            messages += [
                {"role": "assistant", "content": completion.content},
                {"role": "user", "content": f"This is not as asked: {wrong}. Answer again, with nothing but the JSON."},
            ]
            again = await self._attempts(request, options, messages, shown)
            completion = msgspec.structs.replace(again, usage=_sum(completion.usage, again.usage))
            wrong = _wrong(completion, schema)
        if wrong:
            raise ModelError(f"the answer does not conform to the schema: {wrong}", retryable=True)
        if schema and not completion.tool_calls:
            completion = msgspec.structs.replace(completion, content=without_fence(completion.content))
        return completion

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """The vectors of some texts, by the server's `/embeddings`; raises `ModelError`."""
        attempt = 0
        while True:
            await self._pace.wait()
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._embedded(list(texts))
            except TimeoutError:
                failure = ModelError(f"no answer within {self._timeout:g} s", retryable=True)
            except ModelError as error:
                failure = error
            pause = max(backoff(attempt, self._first), failure.details.get("retry_after") or 0)
            attempt += 1
            if not failure.retryable or attempt > self._retries or pause > LONGEST_ORDERED:
                raise failure
            await asyncio.sleep(pause)

    async def _embedded(self, texts: list[str]) -> Embeddings:
        openai = self._openai
        try:
            answer = await self._client.embeddings.create(model=self.model, input=texts, encoding_format="float")
            found = sorted((each.index, array("f", each.embedding)) for each in answer.data)
            if [index for index, _ in found] != list(range(len(texts))):
                raise ValueError(f"{len(found)} vectors for {len(texts)} texts")
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APIError as error:
            raise ModelError(self._redacted(error.message), retryable=True) from None
        except (ValueError, TypeError, AttributeError) as error:  # the SDK does not look at what the server sends
            raise ModelError(self._redacted(f"the server sent no embeddings: {error}"), retryable=True) from None
        usage = Usage(model=self.model, prompt_tokens=getattr(answer.usage, "prompt_tokens", None) or 0)
        return Embeddings(vectors=tuple(vector.tobytes() for _, vector in found), usage=usage, model=self.model)

    async def _attempts(self, request: CompletionRequest, options: Body, messages: list[Body], shown: Shown) -> Completion:
        """Attempts until one succeeds, or none is left.

        A server that sends usage and for once does not was cut off, if only after the last word: the terminator is missing too,
        but the SDK does not show it. It is asked again, once; an answer that seemed whole is kept in case nothing better comes.
        """
        attempt = lessons = 0
        spare: Completion | None = None
        while True:
            body = self._body(request, options, messages, self.profile)
            await self._pace.wait()
            shown.begin()
            try:
                async with asyncio.timeout(self._timeout):
                    completion = await self._attempt(request, body, shown)
                if not completion.usage.estimated:
                    self._counts = self._counts is not False
                elif self._counts and "stream_options" in body:
                    if spare:
                        self._counts = False  # it counts when it likes
                        return completion
                    spare = completion
                    raise ModelError("the stream ended before the usage came", retryable=True)
                return completion
            except TimeoutError:
                failure = ModelError(f"no whole answer within {self._timeout:g} s", retryable=True)
            except ModelError as error:
                failure = error
            if lessons < LESSONS and self._learned(failure, body):
                lessons += 1
                continue
            if not failure.retryable:
                return _else(spare, failure)
            ordered = failure.details.get("retry_after")
            pause = max(backoff(attempt, self._first), (ordered or 0) * 1.02)
            attempt += 1
            if attempt > self._retries or (ordered or 0) > LONGEST_ORDERED:
                return _else(spare, failure)
            log.info("%s: attempt %d failed: %s; the next in %.1f s", self.model, attempt, failure, pause)
            await asyncio.sleep(pause)

    def _body(self, request: CompletionRequest, options: Body, messages: list[Body], profile: Profile) -> Body:
        body: Body = {"messages": messages, **options_to_api(options, profile)}
        wanted = options.get("response_format")
        schema = schema_of(wanted)
        if schema is not None and not profile.json_schema:
            body["messages"] = in_words(messages, schema)
        elif wanted is not None:
            body["response_format"] = format_to_api(wanted)
        if request.tools:
            body["tools"] = tools_to_api(request.tools)
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
        return body

    async def _attempt(self, request: CompletionRequest, body: Body, shown: Shown) -> Completion:
        answer = Assembly()
        async with contextlib.aclosing(self._chunks(body)) as chunks:
            async for chunk in chunks:
                piece = answer.feed(chunk)
                if piece:
                    shown(piece)
        if not answer.finish_reason:
            raise ModelError("the stream ended before the answer was finished", retryable=True)
        calls = answer.tool_calls()
        completion = Completion(
            content=answer.content or answer.refusal, tool_calls=calls, model=self.model, finish_reason=answer.finish_reason
        )
        counted = answer.usage
        if counted is None:
            usage = estimate(request, completion)
        else:
            usage = Usage(
                model=self.model, prompt_tokens=counted.prompt_tokens or 0, completion_tokens=counted.completion_tokens or 0
            )
        return msgspec.structs.replace(completion, usage=usage)

    async def _chunks(self, body: Body) -> AsyncGenerator[Chunk, None]:
        """The chunks of one answer; raises `ModelError` for whatever breaks."""
        openai, rest = self._openai, dict(body)
        messages: Any = rest.pop("messages")
        try:
            async with asyncio.timeout(self._begin):
                # Options travel in `extra_body`: which there are is the server's business, not the SDK's.
                stream: Any = await self._client.chat.completions.create(
                    model=self.model, messages=messages, stream=True, extra_body=rest
                )
            async with stream:
                chunks, patience = aiter(stream), self._begin
                while True:
                    async with asyncio.timeout(patience):
                        raw = await anext(chunks, None)
                    if raw is None:
                        return
                    patience = self._stall
                    yield _chunk(raw)
        except TimeoutError:
            raise ModelError("the server has fallen silent", retryable=True) from None
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APIConnectionError as error:
            cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
            raise ModelError(self._redacted(f"{error.message}{cause}"), retryable=True) from None
        except openai.APIError as error:  # an error in the midst of the stream
            retryable = error.code not in ("400", "401", "403", "404", "422", "invalid_request_error", "context_length_exceeded")
            raise ModelError(self._redacted(f"the server broke off: {_said(error)}"), retryable=retryable) from None
        except (json.JSONDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise ModelError(self._redacted(f"the server sent a malformed chunk: {error}"), retryable=True) from None

    def _refused(self, error: "openai.APIStatusError") -> ModelError:
        status, headers = error.status_code, error.response.headers
        retryable = status in (408, 409, 429) or status >= 500
        if error.code == "insufficient_quota" or headers.get("x-should-retry") == "false":
            retryable = False  # waiting does not pay the bill
        details: dict[str, object] = {"status": status}
        wait = retry_after(headers, time.time())
        if retryable and wait is not None:
            details["retry_after"] = wait
        return ModelError(self._redacted(f"the server answered {status}: {_said(error)}"), details=details, retryable=retryable)

    def _learned(self, failure: ModelError, body: Body) -> bool:
        """Whether the server refused something that can be said otherwise; then it is from now on."""
        said = str(failure)
        if failure.details.get("status") not in (400, 422):
            return False
        lesson: dict[str, Any] = {}
        if "stream_options" in body and "stream_options" in said:
            lesson["stream_usage"] = False
        elif "max_tokens" in body and "max_tokens" in said:
            lesson["limit"] = "max_completion_tokens"
        elif "max_completion_tokens" in body and "max_completion_tokens" in said:
            lesson["limit"] = "max_tokens"
        elif "response_format" in body and ("response_format" in said or "json_schema" in said):
            lesson["json_schema"] = False
        if lesson:
            self.profile = msgspec.structs.replace(self.profile, **lesson)
            log.info("%s: the server's refusal taught %s", self.model, lesson)
        return bool(lesson)

    def _redacted(self, text: str) -> str:
        masked = Redactor([*redaction.own.values, self._client.api_key]).text(text)
        return _AUTHORIZED.sub(MASK, masked)[:1000]  # in a server's answer it is no word of a sentence


def _else(spare: Completion | None, failure: ModelError) -> Completion:
    if spare is None:
        raise failure
    return spare


def _chunk(raw: Any) -> Chunk:
    """A chunk as sent. The SDK does not validate: what is there need not be what the types say."""
    plain = raw.to_dict(warnings=False) if hasattr(raw, "to_dict") else raw
    return msgspec.convert(plain, Chunk)


def _said(error: "openai.APIError") -> str:
    """What the server says, without the SDK's wrapping where it is a plain message."""
    message = error.body.get("message") if isinstance(error.body, dict) else None
    return message if isinstance(message, str) and message else error.message


def _wrong(completion: Completion, schema: Body | None) -> str:
    if schema is None or completion.tool_calls:
        return ""
    return problem(without_fence(completion.content), schema)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        model=other.model,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        estimated=one.estimated or other.estimated,
    )
