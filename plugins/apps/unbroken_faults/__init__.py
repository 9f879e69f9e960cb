"""A server that fails on purpose: HTTP/1.1 on loopback, with the streams of many APIs.

    with FaultServer([faults.rate_limited(retry_after=0.2), faults.cut(after=5)]) as server:
        ...  # any client, against server.url

For tests and demonstrations. It imports nothing from unbroken.
"""

from . import faults
from ._conversation import Speech
from ._fault import Fault
from ._fields import ToolUse, sse
from ._requests import ReceivedRequest
from ._script import ScriptError, parse_fault, parse_script
from ._server import FaultServer

__all__ = (
    "Fault",
    "FaultServer",
    "ReceivedRequest",
    "ScriptError",
    "Speech",
    "ToolUse",
    "faults",
    "parse_fault",
    "parse_script",
    "sse",
)
