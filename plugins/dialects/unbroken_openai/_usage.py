"""Read the token counts of Chat Completions and the Responses API."""

from typing import Any, Final

from unbroken.error_bodies import as_object
from unbroken.messages import Event, Usage

# A larger count is taken as an error of the server.
_MOST_TOKENS: Final = 10**15


def counts_of(event: Event) -> dict[str, Any]:
    """Return the ``usage`` object of a chunk, or of the response in an event. Raises StreamError for invalid JSON."""
    return as_object(event.get("usage")) or as_object(as_object(event.get("response")).get("usage"))


def usage_of(counts: dict[str, Any]) -> Usage | None:
    """Return the valid counts, None without any.

    Both APIs include cached tokens in the input count and break it down in its ``details``. In `Usage` the three counts
    never overlap, so the cached tokens are subtracted from the input. If they exceed it, they are ignored.
    """
    prompt = _first(counts, "prompt_tokens", "input_tokens")
    output = _first(counts, "completion_tokens", "output_tokens")
    details = as_object(counts.get("prompt_tokens_details")) or as_object(counts.get("input_tokens_details"))
    read, written = _count(details.get("cached_tokens")), _count(details.get("cache_write_tokens"))
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


def _first(counts: dict[str, Any], *names: str) -> int | None:
    return next((count for name in names if (count := _count(counts.get(name))) is not None), None)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
