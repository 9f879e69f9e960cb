"""For those who write plugins, and for everybody whose program uses a client: whole calls in virtual time, no sockets.

`play` runs one call, blocking or under asyncio or trio, against a script of replies. `run` runs any async function in
virtual time. `check_plugin` holds a plugin to the contract, `cancel_sweep` cancels a call wherever it can be cancelled.
The pytest fixtures are opt-in: ``pytest_plugins = ["unbroken.testing.pytest_plugin"]``.
"""

from .clock import FakeClock
from .contract import check_plugin
from .playing import BACKENDS, Played, play
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
    "ScriptedTransport",
    "cancel_sweep",
    "check_plugin",
    "play",
    "run",
    "sse",
)
