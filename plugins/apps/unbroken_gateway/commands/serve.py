"""``unbroken serve``: the gateway, with a configuration or, on this machine, with none."""

from pathlib import Path
from typing import Annotated

import typer

from ._complaints import complain

UNUSABLE = 2
"""Exit code: bad usage, bad configuration, or a package that is missing."""


def serve(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The TOML file; without one, a model that is played."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where clients connect; port 0 is a free one.")
    ] = None,
    admin_listen: Annotated[
        str | None, typer.Option("--admin-listen", metavar="HOST:PORT", help="Where the dashboard is; empty for none.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="The number of processes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when it is ready.")] = False,
) -> None:
    """Serve the models of the configuration to browsers, apps and SDKs.

    Without --config it serves on this machine only, with a server that plays
    both APIs as the model, and prints what to try. SIGTERM and Ctrl-C let the
    streams under way end; SIGHUP reads the configuration again. Exits with 2
    when the configuration cannot be used.
    """
    from unbroken import ConfigurationError

    from ..serve import run

    try:
        run(config=config, listen=listen, admin_listen=admin_listen, workers=workers, as_json=as_json)
    except ConfigurationError as error:
        complain(error)
        raise typer.Exit(UNUSABLE) from None
