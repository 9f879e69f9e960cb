"""Swaps the configuration under running calls: each call keeps the snapshot that it began with."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

import anyio
from anyio import to_thread
from attrs import define, evolve, frozen

from unbroken import ConfigurationError, Problem

from .checks import check
from .settings import Settings

T = TypeVar("T")

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
)
"""The settings of what is opened once, when the gateway starts. A reload keeps them as they are and says so."""
_CREATED: Final = ("admin_credential", "pepper")
"""What the start may have created: a file that says nothing of them changes nothing."""

_log = logging.getLogger("unbroken")


@frozen(kw_only=True)
class Reloaded:
    """What a reload did."""

    problems: tuple[Problem, ...] = ()
    """What is wrong with the new configuration; if there is anything, the old one is still in force."""
    restart: tuple[str, ...] = ()
    """The settings that differ and take effect only after a restart."""

    @property
    def swapped(self) -> bool:
        """Whether new calls get the new configuration."""
        return not self.problems


@define(eq=False)
class _Version(Generic[T]):
    snapshot: T
    settings: Settings
    leases: int = 0
    retired: bool = False
    closed: bool = False


class Live(Generic[T]):
    """The configuration in force: a snapshot, built from settings, for each call to lease.

    `build` makes a snapshot, such as the clients of all upstreams, and may raise ConfigurationError; `close` closes one
    when its last call has ended; `load` reads the file again and runs in a thread.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot: T,
        *,
        build: Callable[[Settings], Awaitable[T]],
        close: Callable[[T], Awaitable[None]],
        load: Callable[[], Settings],
    ) -> None:
        self._current = _Version(snapshot, settings)
        self._build = build
        self._close = close
        self._load = load
        self._lock = anyio.Lock()

    @property
    def settings(self) -> Settings:
        """The settings in force for new calls."""
        return self._current.settings

    @property
    def snapshot(self) -> T:
        """The snapshot in force, for a look without waiting; a call uses `lease`."""
        return self._current.snapshot

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[T]:
        """Hold the snapshot in force, which stays open and the same to the end of the block."""
        version = self._current
        version.leases += 1
        try:
            yield version.snapshot
        finally:
            version.leases -= 1
            await self._close_if_idle(version)

    async def reload(self) -> Reloaded:
        """Load, check and build the new configuration, then swap it in; with any problem, nothing changes.

        One reload runs at a time.
        """
        async with self._lock:
            old = self._current
            try:
                settings, restart = _merged(old.settings, await to_thread.run_sync(self._load))
                snapshot = await self._build(settings)
            except ConfigurationError as error:
                return Reloaded(problems=error.problems or (Problem("", error.message),))
            self._current = _Version(snapshot, settings)
            await self._retire(old)
            return Reloaded(restart=restart)

    async def aclose(self) -> None:
        """Close the snapshot when its last call has ended, at once if there is none. A lease after it is a bug."""
        async with self._lock:
            await self._retire(self._current)

    async def _retire(self, version: _Version[T]) -> None:
        version.retired = True
        await self._close_if_idle(version)

    async def _close_if_idle(self, version: _Version[T]) -> None:
        if not version.retired or version.leases or version.closed:
            return
        version.closed = True
        with anyio.CancelScope(shield=True):
            try:
                await self._close(version.snapshot)
            except Exception as error:  # noqa: BLE001  the call that ended last has nothing to do with it
                _log.warning("An old configuration could not be closed: %s", type(error).__name__)


def _merged(old: Settings, new: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return `new` with what cannot change taken from `old`, and the names of what differs.

    Raises ConfigurationError if the two do not go together.
    """
    created: dict[str, Any] = {name: getattr(new, name) or getattr(old, name) for name in _CREATED}
    if new.development_token is not None and old.development_token is not None:
        created["development_token"] = old.development_token  # it is random, and its users know the old one
    new = evolve(new, **created)
    restart = tuple(name for name in FIXED if getattr(new, name) != getattr(old, name))
    merged = evolve(new, **{name: getattr(old, name) for name in restart})
    if restart and (problems := check(merged, "the file, with what only a restart can change")):
        raise ConfigurationError.of(*problems)
    return merged, restart
