"""Read the token counts of the Messages API (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from typing import Any, Final

from unbroken import Usage

# A larger count is taken as an error of the server.
_MOST_TOKENS: Final = 10**15


def usage_of(counts: dict[str, Any], *, final: bool) -> Usage:
    """Return the four counts of a ``usage`` object, None for each that is missing or invalid.

    Pass `final` if they come from a ``message_delta``: the output count of ``message_start`` is a placeholder.
    """
    output_tokens = _count(counts.get("output_tokens"))
    return Usage(
        input_tokens=_count(counts.get("input_tokens")),
        output_tokens=output_tokens,
        cache_read_tokens=_count(counts.get("cache_read_input_tokens")),
        cache_write_tokens=_count(counts.get("cache_creation_input_tokens")),
        final=final and output_tokens is not None,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
