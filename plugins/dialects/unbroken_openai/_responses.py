"""The kinds of the events of the Responses API (https://developers.openai.com/api/reference/resources/responses)."""

from typing import Final

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, TERMINAL, USAGE, Kind

TEXT_DELTA: Final = "response.output_text.delta"
_TERMINAL_USAGE: Final = TERMINAL | USAGE

# All other types are content. So are the states of server-side tools, so that the consumer sees them at once.
KINDS: Final[dict[str, Kind]] = {
    "response.queued": PREAMBLE,
    "response.created": PREAMBLE,
    "response.in_progress": PREAMBLE,
    "response.output_item.added": PREAMBLE,
    "response.content_part.added": PREAMBLE,
    "response.reasoning_summary_part.added": PREAMBLE,
    TEXT_DELTA: CONTENT,
    "response.completed": _TERMINAL_USAGE,
    "response.incomplete": _TERMINAL_USAGE,
    "response.failed": ERROR,
    "error": ERROR,
    "keepalive": KEEPALIVE,
    "ping": KEEPALIVE,
}
