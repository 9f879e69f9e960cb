"""Answers with a resumable stream: what is in its log after a cursor, then what comes."""

from typing import Final

from ..config.settings import Settings
from ..exchange import Exchange, RawHeaders
from ..replies import errors
from ..replies.errors import Problem, Refused
from ..services import Services
from ..streams.cursors import Refusal

EVENT_STREAM: Final[RawHeaders] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
"""The head of every stream. The last two keep proxies from compressing and buffering it."""

_REFUSALS: Final[dict[Refusal, Problem]] = {
    Refusal.MALFORMED: errors.invalid_request("The cursor is not one of a stream."),
    Refusal.UNKNOWN: errors.unknown_stream(),
    Refusal.TRIMMED: errors.trimmed_stream(),
    Refusal.CROWDED: errors.user_limit(1.0, "streams"),
}


def refused(refusal: Refusal, *, counted: bool = False) -> Refused:
    """Return the refusal as an exception."""
    return Refused(_REFUSALS[refusal], counted=counted)


async def follow(
    services: Services, exchange: Exchange, settings: Settings, id: str, user: str, after: int, *, counted: bool = False
) -> None:
    """Answer with the stream `id` of `user` after the frame `after`, to its end. Raises Refused and LogUnavailable.

    `counted` is that of the request that made the stream.
    """
    reader = await services.streams.open(id, user, after)
    if reader is Refusal.END:
        await exchange.answer((204, exchange.ids(), b""))
        return
    if isinstance(reader, Refusal):
        raise refused(reader, counted=counted)
    try:
        ttl = (b"unbroken-stream-ttl", b"%d" % settings.resume.ttl)
        await exchange.open([*EVENT_STREAM, (b"unbroken-stream", id.encode("ascii")), ttl])
    except BaseException:
        reader.leave()
        raise
    exchange.follows = services.streams.produces(id)
    await reader.serve(exchange.write, keepalive=settings.keepalive)
