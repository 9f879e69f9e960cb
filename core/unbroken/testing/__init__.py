"""Tools for testing plugins and programs that use a client: whole calls in virtual time, without sockets.

`play` makes one call, sync, under asyncio or under trio, against a script of answers. `run` runs any async function in
virtual time. `check_plugin` checks a plugin against the contract, `check_dialect` a dialect. `cancel_sweep` cancels a
call at every await.
The pytest fixtures are opt-in: ``pytest_plugins = ["unbroken.testing.pytest_plugin"]``.
"""

from .clock import FakeClock
from .contract import check_plugin
from .dialect_contract import check_dialect
from .playing import BACKENDS, Played, play
from .recording import RecordedError, Recording
from .runner import run
from .script import STALL, Answer, sse
from .sweep import cancel_sweep
from .transport import AsyncScriptedTransport, ScriptedTransport

__all__ = (
    "BACKENDS",
    "STALL",
    "Answer",
    "AsyncScriptedTransport",
    "FakeClock",
    "Played",
    "RecordedError",
    "Recording",
    "ScriptedTransport",
    "cancel_sweep",
    "check_dialect",
    "check_plugin",
    "play",
    "run",
    "sse",
)
