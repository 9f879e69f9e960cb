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


def largest(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the ``usage`` object `old` overwritten by `new`. A null and a smaller count overwrite nothing."""
    kept = {name: value for name, value in old.items() if new.get(name) is None or _is_less(new[name], value)}
    return {**old, **new, **kept}


def _is_less(new: object, old: object) -> bool:
    count, before = _count(new), _count(old)
    return count is not None and before is not None and count < before


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
