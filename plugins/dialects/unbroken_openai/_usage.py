"""Read the token counts of Chat Completions and the Responses API."""

from typing import Any, Final

from unbroken.error_bodies import as_object
from unbroken.messages import Usage

from ._choices import objects_of

# A larger count is taken as an error of the server.
_MOST_TOKENS: Final = 10**15


def counts_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the ``usage`` of a chunk, wherever a server puts it, or that of the response in an event."""
    counts = document.get("usage")
    if isinstance(counts, dict) and counts:
        return as_object(counts)
    places = [as_object(document.get("x_groq")), as_object(document.get("response"))]
    for place in (*places, *objects_of(document.get("choices"))):
        if "usage" in place and (counts := as_object(place["usage"])):
            return counts
    return {}


def usage_of(counts: dict[str, Any]) -> Usage | None:
    """Return the valid counts, None without any.

    Both APIs include cached tokens in the input count and break it down in its ``details``. In `Usage` the three counts
    never overlap, so the cached tokens are subtracted from the input. If they exceed it, they are ignored.
    """
    prompt = _first(counts, "prompt_tokens", "input_tokens")
    details = as_object(counts.get("prompt_tokens_details")) or as_object(counts.get("input_tokens_details"))
    read, written = _cached(counts, details), _count(details.get("cache_write_tokens"))
    output = _output(counts, prompt)
    if prompt is not None:
        full_price = prompt - (read or 0) - (written or 0)
        if full_price < 0:
            read = written = None
        else:
            prompt = full_price
    usage = Usage(
        input_tokens=prompt,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        final=output is not None,
    )
    return None if usage == Usage() else usage


def _cached(counts: dict[str, Any], details: dict[str, Any]) -> int | None:
    """Return the tokens read from the cache: as OpenAI says it, as DeepSeek or as Moonshot."""
    places = (details.get("cached_tokens"), counts.get("prompt_cache_hit_tokens"), counts.get("cached_tokens"))
    return max((count for place in places if (count := _count(place)) is not None), default=None)


def _output(counts: dict[str, Any], prompt: int | None) -> int | None:
    """Return the tokens of the output, with those of reasoning, which some servers (xAI) count beside it."""
    output = _first(counts, "completion_tokens", "output_tokens")
    details = as_object(counts.get("completion_tokens_details")) or as_object(counts.get("output_tokens_details"))
    reasoning = _first(details, "reasoning_tokens") or _first(counts, "reasoning_tokens") or 0
    total = _count(counts.get("total_tokens"))
    if output is None or prompt is None or total is None or total < prompt + output + reasoning:
        return output
    return output + reasoning


def _first(counts: dict[str, Any], *names: str) -> int | None:
    return next((count for name in names if (count := _count(counts.get(name))) is not None), None)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
