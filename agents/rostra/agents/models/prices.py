"""What a completion costs."""

import importlib.util
import os
from decimal import Decimal
from functools import lru_cache

from rostra.protocol import Usage

from .config import ModelConfig

OPENAI = "https://api.openai.com/v1"
MILLION = 1_000_000


def cost_of(usage: Usage, config: ModelConfig) -> float:
    """US dollars for `usage`: by the model's own `price`, else by the price published for it; 0 when neither is known."""
    if config.price is not None:
        return (usage.prompt_tokens * config.price.prompt + usage.completion_tokens * config.price.completion) / MILLION
    if config.api != "openai":
        return 0.0
    address = config.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    return float(_published(config.model, address, usage.prompt_tokens, usage.completion_tokens))


@lru_cache(maxsize=1)
def published_prices() -> bool:
    """Whether prices are at hand: the package `genai-prices` (extra `prices`), used with the data that it carries."""
    return importlib.util.find_spec("genai_prices") is not None


def _published(model: str, address: str, prompt: int, completion: int) -> Decimal:
    if not published_prices():
        return Decimal(0)
    import genai_prices  # type: ignore[import-not-found, unused-ignore]

    tokens = genai_prices.Usage(input_tokens=prompt, output_tokens=completion)
    try:
        return Decimal(genai_prices.calc_price(tokens, model, provider_api_url=address).total_price)
    except LookupError:
        return Decimal(0)  # an unknown server, or a model that nobody has published a price for
