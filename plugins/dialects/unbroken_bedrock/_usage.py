"""Read the token counts: of Converse, of the last chunk of any model, and of plain answers.

The input of Converse excludes the tokens read from and written to the cache
(https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html), as `Usage` has them.
"""

from typing import Any, Final

from unbroken.error_bodies import as_object
from unbroken.messages import Usage

from ._models import metrics_of

# A larger count is taken as an error of the server.
_MOST_TOKENS: Final = 10**15
_INPUT: Final = ("inputTokens", "inputTokenCount", "input_tokens", "prompt_tokens", "prompt_token_count")
_OUTPUT: Final = ("outputTokens", "outputTokenCount", "output_tokens", "completion_tokens", "generation_token_count")
_READ: Final = ("cacheReadInputTokens", "cacheReadInputTokenCount", "cache_read_input_tokens")
_WRITTEN: Final = ("cacheWriteInputTokens", "cacheWriteInputTokenCount", "cache_creation_input_tokens")


def usage_of(document: dict[str, Any]) -> Usage | None:
    """Return the counts in an event or a plain answer, None without any."""
    inner = as_object(as_object(document.get("metadata")).get("usage"))
    counts = metrics_of(document) or as_object(document.get("usage")) or inner or document
    output = _first(counts, _OUTPUT)
    usage = Usage(
        input_tokens=_first(counts, _INPUT),
        output_tokens=output,
        cache_read_tokens=_first(counts, _READ),
        cache_write_tokens=_first(counts, _WRITTEN),
        final=output is not None,
    )
    return None if usage == Usage() else usage


def _first(counts: dict[str, Any], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if (count := _count(counts.get(name))) is not None), None)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
