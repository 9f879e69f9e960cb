"""Faults in the middle of a stream, and faults of the connection under it.

For a fault that comes `after` some events: the first three events are preamble, then thinking, text and calls follow.
In Messages the three are ``message_start``, ``content_block_start`` and ``ping``; in Chat Completions a comment, the
role and a comment; in Responses ``response.created``, ``response.in_progress`` and what opens the first item. Other
APIs have less preamble, and what is missing is counted.
"""

from typing import Literal

from ._catalogue import FILLER, listed
from ._fault import Fault
from ._formats import FLOOD, SPACES, SSE

# Content.


@listed
def error_first(type: str = "overloaded_error") -> Fault:
    """Answer with 200, then send an error event and nothing else."""
    return Fault(error=type, after=0, then="end")


@listed
def error_after(type: str = "overloaded_error", after: int = 5) -> Fault:
    """Send an error event after some events, then end."""
    return Fault(error=type, after=after, then="end")


@listed
def omit_terminal() -> Fault:
    """Send everything but the terminal event, and end the body properly."""
    return Fault(after=-1, then="end")


@listed
def duplicate(after: int = 4) -> Fault:
    """Send one event twice."""
    return Fault(after=after, duplicate=True)


@listed
def garbage(data: bytes | str = SSE.garbage, after: int = 5) -> Fault:
    """Insert bytes between two events; without `data`, an event with invalid JSON."""
    return Fault(insert=data, after=after)


# The connection.


@listed
def reset(after: int | None = None) -> Fault:
    """Reset the connection after some events; without `after`, before anything is sent."""
    return Fault(before_head=after is None, after=after, then="reset")


@listed
def hang_up() -> Fault:
    """Close the connection before anything is sent."""
    return Fault(before_head=True, then="close")


@listed
def cut(after: int = 5, how: Literal["end", "close", "truncate", "bad-chunk", "reset"] = "end") -> Fault:
    """Stop after some events: end the body properly (end), or close without the end of the body (close)."""
    return Fault(after=after, then=how)


@listed
def truncate(after: int = 5) -> Fault:
    """Close the connection inside a chunk."""
    return Fault(after=after, then="truncate")


@listed
def bad_chunk(after: int = 5) -> Fault:
    """Send a chunk size that is not a number."""
    return Fault(after=after, then="bad-chunk")


@listed
def close_idle() -> Fault:
    """Answer normally, promise keep-alive, and close the connection all the same."""
    return Fault(connection="drop")


@listed
def keep_open(data: bytes | str = b"") -> Fault:
    """Answer normally, send `data` after the terminal event and keep the connection open."""
    return Fault(insert=data, then="stall")


@listed
def reset_after_end() -> Fault:
    """Answer normally, and reset the connection after the terminal event."""
    return Fault(then="reset")


# Time.


@listed
def silence() -> Fault:
    """Read the request and never answer."""
    return Fault(before_head=True, then="stall")


@listed
def stall(after: int = 5) -> Fault:
    """Send nothing more after some events (0: after the headers), and keep the connection open."""
    return Fault(after=after, then="stall")


@listed
def pings(after: int = 5, interval: float = 1.0) -> Fault:
    """Send nothing but pings after some events, forever; in an API without pings comments, or what comes nearest."""
    return Fault(insert=SSE.ping, times=None, interval=interval, after=after)


@listed
def comments(after: int = 5, interval: float = 1.0) -> Fault:
    """Send nothing but comments after some events, forever."""
    return Fault(insert=SSE.comment, times=None, interval=interval, after=after)


@listed
def drip(after: int = 0, interval: float = 0.1) -> Fault:
    """Send one byte per `interval` after some events."""
    return Fault(after=after, then="drip", interval=interval)


@listed
def slow(bandwidth: float = 1_000.0) -> Fault:
    """Send `bandwidth` bytes per second."""
    return Fault(bandwidth=bandwidth)


@listed
def sliced(smallest: int = 1, largest: int = 16, delay: float = 0.0) -> Fault:
    """Send the stream in pieces that ignore the boundaries of events; the seed chooses their sizes."""
    return Fault(slice_size=(smallest, largest), slice_delay=delay)


# Bytes.


@listed
def gzip() -> Fault:
    """Compress the stream although the client did not ask for it."""
    return Fault(encoding="gzip")


@listed
def gzip_bomb(size: int = 200_000_000) -> Fault:
    """Compress `size` bytes of spaces into very few."""
    return Fault(encoding="gzip", events=(b" " * (size % FILLER),), insert=SPACES, times=size // FILLER)


@listed
def endless_line() -> Fault:
    """Send a data line that never ends."""
    return Fault(events=(SSE.endless_line,), insert=b"x" * FILLER, times=None)


@listed
def endless_data() -> Fault:
    """Send data lines without the blank line that ends an event."""
    return Fault(events=(SSE.endless_data,), insert=FLOOD, times=None)


@listed
def endless_comment() -> Fault:
    """Send a comment that never ends."""
    return Fault(events=(SSE.endless_comment,), insert=SPACES, times=None)
