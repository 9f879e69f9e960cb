"""``unbroken serve``: the gateway, with a configuration or, on this machine, with none."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ._complaints import complain

UNUSABLE = 2
"""Exit code: bad usage, bad configuration, or a package that is missing."""


def serve(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The TOML file; without it, a trial on this machine."),
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

    Without --config it is a trial on this machine: a built-in server invents
    the answers, and lines to try are printed. SIGTERM and Ctrl-C let the
    answers under way end, a second one cuts them; SIGHUP reads the file again.
    Exits with 2 when the configuration cannot be used, and lists all that is
    wrong with it.
    """
    from unbroken import ConfigurationError

    try:
        from ..serve import run
    except ImportError as error:
        sys.stderr.write(f"unbroken serve needs {error.name}: pip install 'unbroken[gateway]'\n")
        raise typer.Exit(UNUSABLE) from None
    try:
        run(config=config, listen=listen, admin_listen=admin_listen, workers=workers, as_json=as_json)
    except ConfigurationError as error:
        complain(error)
        if config is None and not os.environ.get("UNBROKEN_GATEWAY_CONFIG"):
            sys.stderr.write("Without --config the gateway is a trial for this machine, with one worker.\n")
        raise typer.Exit(UNUSABLE) from None
