"""Runs the gateway: sockets, uvicorn, signals and worker processes."""

import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import evolve

from unbroken import ConfigurationError, Problem

from ..auth.local_secrets import with_secrets
from ..config.checks import checked
from ..config.loading import CONFIG_VARIABLE, development, load
from ..config.settings import Settings
from ..services import Services
from .listening import bind, url_of
from .loop import new_event_loop
from .one import Process
from .supervisor import Supervisor
from .words import announce


def run(
    *, config: Path | None, listen: str | None, admin_listen: str | None, workers: int | None, as_json: bool
) -> None:
    """Serve until a signal ends it. Raises ConfigurationError."""
    with ExitStack() as stack:
        if config is None and os.environ.get(CONFIG_VARIABLE):
            config = Path(os.environ[CONFIG_VARIABLE])
        if config is None:
            from unbroken_faults import FaultServer

            model = stack.enter_context(FaultServer())
            settings = development(os.environ, {"anthropic": model.url, "openai": model.url})
        else:
            settings = load(config, os.environ)
        changes: dict[str, Any] = {"listen": listen, "workers": workers}
        settings = evolve(settings, **{name: value for name, value in changes.items() if value is not None})
        if admin_listen is not None:
            settings = evolve(settings, admin_listen=admin_listen or None)
        if settings.workers > 1 and sys.platform == "win32":
            problem = "must be 1 on Windows, where a process cannot hand its listening socket on to workers"
            raise ConfigurationError.of(Problem("gateway.workers", problem))
        made = checked(settings).admin_credential is None
        _serve(with_secrets(settings), config, made=made, as_json=as_json)


def _serve(settings: Settings, config: Path | None, *, made: bool, as_json: bool) -> None:
    at = bind(settings.listen, "gateway.listen")
    admin_at = None if settings.admin_listen is None else bind(settings.admin_listen, "gateway.admin_listen")

    async def ready() -> None:
        announce(
            sys.stdout,
            settings,
            url_of(at),
            None if admin_at is None else url_of(admin_at),
            trial=config is None,
            made=made,
            as_json=as_json,
            environ=os.environ,
        )

    def again() -> Settings:
        return with_secrets(load(config, os.environ))

    serving: Process | Supervisor
    if settings.workers == 1 or config is None:
        serving = Process(
            services=Services(settings, None if config is None else again), at=at, admin_at=admin_at, on_ready=ready
        )
    else:
        serving = Supervisor(settings=settings, config=config, load=again, at=at, admin_at=admin_at, on_ready=ready)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serving.run())
