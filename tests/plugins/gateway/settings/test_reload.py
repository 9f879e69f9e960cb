"""A new configuration under running calls."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, evolve, field

from unbroken import ConfigurationError
from unbroken.validators import refused
from unbroken_gateway.config.reload import FIXED, Live
from unbroken_gateway.config.settings import Issuer, Settings

from .kit import SETTINGS, STRONG, WHOLE, settings_of

READY = evolve(SETTINGS, keys="keys.db", pepper=STRONG)


@define(eq=False)
class Snapshot:
    settings: Settings
    closed: int = 0
    fails: bool = False

    async def aclose(self) -> None:
        self.closed += 1
        if self.fails:
            raise OSError("canary")


@define(eq=False)
class Kit:
    """A gateway whose next configuration is `following`."""

    following: Settings | Exception = READY
    built: list[Snapshot] = field(factory=list)
    refuses: bool = False

    def load(self) -> Settings:
        if isinstance(self.following, Exception):
            raise self.following
        return self.following

    async def build(self, settings: Settings) -> Snapshot:
        await asyncio.sleep(0)
        if self.refuses:
            raise refused("upstreams.claude", "cannot be built")
        self.built.append(Snapshot(settings))
        return self.built[-1]

    async def started(self, settings: Settings = READY) -> Live[Snapshot]:
        live = Live(self.build, self.load)
        await live.start(settings)
        return live


def runs(test: Callable) -> Callable[[], None]:
    """Run a test in an event loop of its own."""

    def run() -> None:
        asyncio.run(test(Kit()))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def turns() -> None:
    """Let all tasks that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


@runs
async def test_r28_calls_under_way_keep_the_old_configuration(kit) -> None:
    """It is closed when the last of them ends; new calls get the new one at once."""
    live = await kit.started()
    kit.following = evolve(READY, keepalive=5.0)
    with live.use() as first:
        with live.use() as second:
            assert await live.reload() == ()
            with live.use() as third:
                assert (first is second, third is first) == (True, False)
                assert third.settings.keepalive == live.settings.keepalive == 5.0
                assert first.settings.keepalive == 15.0
        await turns()
        assert first.closed == 0
    await turns()
    assert (first.closed, third.closed) == (1, 0)
    await live.aclose()
    assert (first.closed, third.closed) == (1, 1)


@runs
async def test_r28_an_idle_configuration_is_closed_at_once(kit) -> None:
    """Nobody waits for it."""
    live = await kit.started()
    await live.reload()
    await turns()
    assert [each.closed for each in kit.built] == [1, 0]
    await live.aclose()


@runs
async def test_r28_a_configuration_that_cannot_be_read_changes_nothing(kit) -> None:
    """Its problems are told."""
    live = await kit.started()
    kit.following = refused("gateway.hosts", "is required")
    with pytest.raises(ConfigurationError, match=r"gateway\.hosts: is required"):
        await live.reload()
    with live.use() as snapshot:
        assert snapshot is kit.built[0]
    await live.aclose()


@runs
async def test_r28_a_configuration_that_cannot_be_built_changes_nothing(kit) -> None:
    """The old one is not closed, and a later one is taken."""
    live = await kit.started()
    kit.refuses = True
    with pytest.raises(ConfigurationError, match="cannot be built"):
        await live.reload()
    assert kit.built[0].closed == 0
    kit.refuses = False
    await live.reload()
    assert len(kit.built) == 2
    await live.aclose()


@runs
async def test_what_is_opened_once_needs_a_restart_and_is_said(kit) -> None:
    """All else is swapped."""
    live = await kit.started()
    kit.following = evolve(READY, workers=4, state="sqlite:x.db", listen="127.0.0.1:9", keepalive=5.0)
    assert await live.reload() == ("listen", "workers", "state")
    assert (live.settings.workers, live.settings.state, live.settings.listen) == (1, "memory", "127.0.0.1:8080")
    assert live.settings.keepalive == 5.0
    await live.aclose()


@runs
async def test_s11_a_new_configuration_does_not_fit_what_cannot_change(kit) -> None:
    """A gateway that others reach does not lose its issuers because the new file would listen on loopback."""
    issuer = Issuer(issuer="i", audience="a", algorithms=("RS256",), jwks="https://i.example", default_plan="free")
    live = await kit.started(evolve(SETTINGS, listen="0.0.0.0:1", hosts=frozenset({"a.example"}), issuers=(issuer,)))
    kit.following = evolve(SETTINGS, development_token="token")
    with pytest.raises(ConfigurationError, match="must be on loopback with a development token"):
        await live.reload()
    assert live.settings.issuers == (issuer,)
    await live.aclose()


@runs
async def test_what_the_start_has_created_stays(kit) -> None:
    """The token, the pepper and the admin credential are known to their users."""
    live = await kit.started(evolve(READY, admin_credential=STRONG, development_token="first"))
    kit.following = evolve(READY, pepper=None, development_token="second")
    assert await live.reload() == ()
    settings = live.settings
    assert (settings.pepper, settings.admin_credential, settings.development_token) == (STRONG, STRONG, "first")
    kit.following = READY
    await live.reload()
    assert live.settings.development_token is None
    await live.aclose()


@runs
async def test_reloads_run_one_after_the_other(kit) -> None:
    """Each old snapshot is closed once."""
    live = await kit.started()
    await asyncio.gather(*(live.reload() for _ in range(5)))
    await live.aclose()
    assert [each.closed for each in kit.built] == [1] * 6


@runs
async def test_a_failure_to_close_reaches_no_call(kit) -> None:
    """It is logged by its class alone."""
    live = await kit.started()
    kit.built[0].fails = True
    with live.use():
        await live.reload()
    await live.aclose()
    assert [each.closed for each in kit.built] == [1, 1]


@runs
async def test_the_end_waits_for_calls(kit) -> None:
    """Then nothing can be used."""
    live = await kit.started()
    with live.use() as snapshot:
        closing = asyncio.ensure_future(live.aclose())
        await turns()
        assert (closing.done(), snapshot.closed) == (False, 0)
    await closing
    assert snapshot.closed == 1
    await live.aclose()
    with pytest.raises(RuntimeError, match="closed"), live.use():
        pass


@runs
async def test_without_a_file_there_is_nothing_to_reload(kit) -> None:
    """As in the zero configuration."""
    live = Live(kit.build)
    await live.start(READY)
    with pytest.raises(ConfigurationError, match="cannot be read again"):
        await live.reload()
    await live.aclose()
    await Live(kit.build).aclose()


def test_the_settings_that_need_a_restart_are_settings(tmp_path: Path) -> None:
    """No name is out of date."""
    settings = settings_of(tmp_path / "gateway.toml", WHOLE)
    assert all(hasattr(settings, name) for name in FIXED)
