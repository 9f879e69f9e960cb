"""SIGHUP: what is read again is what the dashboard shows."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import evolve
from tests.plugins.gateway.world import SETTINGS

from unbroken import ConfigurationError, Problem
from unbroken_gateway.config.settings import Settings
from unbroken_gateway.serve.one import Process
from unbroken_gateway.serve.supervisor import Supervisor

NEW = evolve(SETTINGS, keepalive=7.0)


async def nothing() -> None:
    pass


def dashboard() -> Any:
    return SimpleNamespace(settings=SETTINGS)


def supervisor(load: Any) -> Supervisor:
    made = Supervisor(
        settings=SETTINGS, config=Path("gateway.toml"), load=load, at=cast(Any, None), admin_at=None, on_ready=nothing
    )
    made._app = dashboard()
    return made


def test_one_process_shows_the_configuration_in_force() -> None:
    services: Any = SimpleNamespace(reload_quietly=nothing, live=SimpleNamespace(settings=NEW))
    process = Process(services=services, at=cast(Any, None), on_ready=nothing)
    asyncio.run(process._read_again())  # without an admin port
    process._admin = shown = dashboard()
    asyncio.run(process._read_again())
    assert shown.settings is NEW


def test_the_parent_of_workers_shows_it_too() -> None:
    parent = supervisor(lambda: NEW)
    asyncio.run(parent._show_again())
    assert parent._app is not None
    assert parent._app.settings is NEW


def test_a_configuration_with_problems_changes_nothing() -> None:
    def broken() -> Settings:
        raise ConfigurationError.of(Problem("gateway.keepalive", "must be a number"))

    parent = supervisor(broken)
    asyncio.run(parent._show_again())
    assert parent._app is not None
    assert parent._app.settings is SETTINGS


def test_a_task_in_the_background_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    from unbroken_gateway.services import Services

    async def story() -> None:
        services = Services(SETTINGS)

        async def bug() -> None:
            raise RuntimeError("a bug")

        await asyncio.wait((services.background(bug()),))
        await asyncio.sleep(0)
        assert services.traffic.alerted["internal"] == 1

    asyncio.run(story())
    assert "a task of the gateway failed by a bug" in caplog.text
