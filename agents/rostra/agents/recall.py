"""Finds memos by meaning: vectors that an embedding model makes of them, kept beside them, so that replicas share them."""

import asyncio
import logging
import math
from array import array
from collections.abc import Sequence
from operator import mul
from typing import Protocol

from rostra.protocol import Usage
from rostra.protocol.completion import Embeddings

from .memos import MAX_TEXT, MOST, Memo, Memos
from .models.base import ModelError

log = logging.getLogger(__name__)

BATCH = 32
"""Texts that are embedded at once."""
LATE = 256
"""Memos that are given their vector in one go, at most; the rest is when somebody asks again."""
NEAR = 0.25
"""Cosine from which on a memo is taken to be about the same."""


class Embedder(Protocol):
    """What makes vectors of texts."""

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """One vector for each text; raises `ModelError`."""
        ...


class Recall:
    """Memos nearest to a text, by the vectors of `embedder`; by their words where it fails. `model`: its name."""

    def __init__(self, memos: Memos, embedder: Embedder, model: str) -> None:
        self._memos, self._embedder, self._model = memos, embedder, model

    async def find(self, text: str, usage: list[Usage], most: int = MOST) -> list[Memo]:
        """The memos nearest to `text`, the nearest first. What the model used is added to `usage`."""
        if not text.strip() or not len(self._memos):
            return []
        try:
            await self._complete(usage)
            (asked,) = await self._vectors([text[: 2 * MAX_TEXT]], usage)
        except ModelError as error:
            log.warning("memos are looked for by their words: %s", error)
            return self._memos.find(text, most)
        numbers = await asyncio.to_thread(nearest, asked, self._memos.vectors(self._model), min(most, MOST))
        return [memo for memo in map(self._memos.get, numbers) if memo]

    async def _complete(self, usage: list[Usage]) -> None:
        """Give memos without a vector theirs: those of other replicas, of people's ratings, of the time before."""
        missing = self._memos.without_vector(self._model, LATE)
        for begin in range(0, len(missing), BATCH):
            batch = missing[begin : begin + BATCH]
            made = await self._vectors([f"{memo.topic}\n{memo.content}" for memo in batch], usage)
            for memo, vector in zip(batch, made, strict=True):
                self._memos.keep_vector(memo.number, self._model, vector)

    async def _vectors(self, texts: Sequence[str], usage: list[Usage]) -> tuple[bytes, ...]:
        made = await self._embedder.embed(texts)
        usage.append(made.usage)
        if len(made.vectors) != len(texts):
            raise ModelError(f"{len(made.vectors)} vectors for {len(texts)} texts")
        return made.vectors


def nearest(asked: bytes, vectors: Sequence[tuple[int, bytes]], most: int) -> list[int]:
    """The numbers of the vectors nearest to `asked` by their cosine, the nearest first; those of another length are left out."""
    query = array("f", asked)
    size = _norm(query)
    found: list[tuple[float, int]] = []
    for number, data in vectors:
        vector = array("f", data)
        if len(vector) == len(query):
            cosine = sum(map(mul, query, vector)) / (size * _norm(vector) or math.inf)
            if cosine >= NEAR:
                found.append((cosine, number))
    return [number for _, number in sorted(found, reverse=True)[:most]]


def _norm(vector: "array[float]") -> float:
    return math.sqrt(sum(map(mul, vector, vector)))
