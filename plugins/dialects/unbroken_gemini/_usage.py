"""Read the token counts of a chunk."""

from typing import Any, Final

from unbroken.error_bodies import as_object
from unbroken.messages import Usage

# A larger count is taken as an error of the server.
_MOST_TOKENS: Final = 10**15


def counts_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the ``usageMetadata`` of a chunk or an answer, empty without any."""
    return as_object(document.get("usageMetadata"))


def usage_of(counts: dict[str, Any]) -> Usage | None:
    """Return the valid counts, None without any.

    The API includes cached tokens in the prompt's, and counts thoughts and the results of its own tools beside the
    candidates and the prompt. In `Usage` the counts never overlap: results of tools are input, thoughts are output, and
    the cached tokens are subtracted from the input. If they exceed it, they are ignored.
    """
    prompt, tools = _count(counts.get("promptTokenCount")), _count(counts.get("toolUsePromptTokenCount"))
    cached = _count(counts.get("cachedContentTokenCount"))
    given = _sum(prompt, tools)
    if given is not None and cached is not None:
        given, cached = (given - cached, cached) if cached <= given else (given, None)
    output = _output(counts, _sum(prompt, tools) or 0)
    usage = Usage(input_tokens=given, output_tokens=output, cache_read_tokens=cached or None, final=output is not None)
    return None if usage == Usage() else usage


def _output(counts: dict[str, Any], given: int) -> int | None:
    """Return the tokens of the output with those of thoughts.

    The total is the sum of all. If it leaves no room for the thoughts, the server counted them as candidates, as the
    Gemini API once did.
    """
    candidates, thoughts = _count(counts.get("candidatesTokenCount")), _count(counts.get("thoughtsTokenCount"))
    total = _count(counts.get("totalTokenCount"))
    output = _sum(candidates, thoughts)
    if candidates is None or thoughts is None or total is None or output is None:
        return output
    return candidates if thoughts <= candidates and total == given + candidates else output


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
