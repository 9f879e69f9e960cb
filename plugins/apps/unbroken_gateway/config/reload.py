"""Swap the configuration under calls: each call keeps the snapshot that it began with."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, Generic, Protocol, TypeVar

from attrs import define, evolve, field

from unbroken import ConfigurationError, Problem

from .checks import checked
from .settings import Settings

logger: Final = logging.getLogger("unbroken.gateway")

FIXED: Final = (
    "listen",
    "admin_listen",
    "admin_credential",
    "workers",
    "head_deadline",
    "state",
    "on_state_failure",
    "keys",
    "pepper",
    "audit",
    "resume",
)
"""The settings of what is opened once, when the gateway starts. A reload leaves them as they are and says so."""
_CREATED: Final = ("admin_credential", "pepper")
"""What the start may have created: a file that says nothing of them changes nothing."""


class Closable(Protocol):
    """What is built from settings."""

    async def aclose(self) -> None:
        """Close its connections."""
        ...


S = TypeVar("S", bound=Closable)


@define(eq=False)
class _Version(Generic[S]):
    settings: Settings
    snapshot: S
    users: int = 0
    retired: bool = False
    idle: asyncio.Event = field(factory=asyncio.Event)
    """Set when it is retired and its last call has ended."""

    def note(self) -> None:
        if self.retired and not self.users:
            self.idle.set()


@define(eq=False)
class Live(Generic[S]):
    """The configuration in force."""

    build: Callable[[Settings], Awaitable[S]]
    """Makes a snapshot of a configuration, such as its clients. May raise ConfigurationError."""
    load: Callable[[], Settings] | None = None
    """Reads the configuration again, in a thread; None if there is nothing to read."""
    _current: "_Version[S] | None" = field(default=None, init=False)
    _versions: "dict[int, _Version[S]]" = field(factory=dict[int, "_Version[S]"], init=False)
    """Those that are open, by the id of their snapshot."""
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _closing: "set[asyncio.Task[None]]" = field(factory=set["asyncio.Task[None]"], init=False)

    async def start(self, settings: Settings) -> None:
        """Build the first snapshot. Raises what `build` raises."""
        self._current = await self._built(settings)

    @property
    def settings(self) -> Settings:
        """The settings in force for new calls."""
        return self._version.settings

    @contextmanager
    def use(self) -> Generator[S]:
        """Hold the snapshot in force: to the end of the block it is the same and stays open."""
        snapshot = self._version.snapshot
        with self.hold(snapshot):
            yield snapshot

    @contextmanager
    def hold(self, snapshot: S) -> Generator[None]:
        """Hold a snapshot that is in use already, for a call that goes on without its request."""
        version = self._versions[id(snapshot)]
        version.users += 1
        try:
            yield
        finally:
            version.users -= 1
            version.note()

    async def reload(self) -> tuple[str, ...]:
        """Load, check and build the configuration anew, then swap it in for new calls.

        Returns the settings that differ but take effect only after a restart. Raises ConfigurationError with all
        problems, also when there is nothing to read again; then nothing has changed. One reload runs at a time.
        """
        if self.load is None:
            raise ConfigurationError.of(Problem("config", "was not read from a file, so it cannot be read again"))
        async with self._lock:
            old = self._version
            settings, restart = _merged(old.settings, await asyncio.to_thread(self.load))
            self._current = await self._built(settings)
            self._retire(old)
        return restart

    async def aclose(self) -> None:
        """Close every snapshot, each when its last call has ended. Nothing can be used after it."""
        async with self._lock:
            version, self._current = self._current, None
        if version is not None:
            self._retire(version)
        if self._closing:
            await asyncio.wait(list(self._closing))

    @property
    def _version(self) -> "_Version[S]":
        if self._current is None:
            raise RuntimeError("the gateway has not started, or has been closed")
        return self._current

    async def _built(self, settings: Settings) -> "_Version[S]":
        version = _Version(settings, await self.build(settings))
        self._versions[id(version.snapshot)] = version
        return version

    def _retire(self, version: "_Version[S]") -> None:
        version.retired = True
        version.note()
        task = asyncio.ensure_future(self._close(version))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, version: "_Version[S]") -> None:
        await version.idle.wait()
        del self._versions[id(version.snapshot)]
        try:
            await version.snapshot.aclose()
        except Exception as error:  # noqa: BLE001  no call has to do with it any more
            logger.warning("an old configuration could not be closed: %s", type(error).__name__)


def _merged(old: Settings, new: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return `new` with what cannot change taken from `old`, and the names of what differs.

    Raises ConfigurationError if the two do not go together.
    """
    created: dict[str, Any] = {name: getattr(new, name) or getattr(old, name) for name in _CREATED}
    if new.development_token is not None and old.development_token is not None:
        created["development_token"] = old.development_token  # it may be random, and its users know the old one
    new = evolve(new, **created)
    restart = tuple(name for name in FIXED if getattr(new, name) != getattr(old, name))
    merged = evolve(new, **{name: getattr(old, name) for name in restart})
    return checked(merged, "the file, with what only a restart can change") if restart else merged, restart
