"""``python -m unbroken_gateway serve``: the commands of the gateway without those of others."""

import io
import sys

import typer

from .commands import audit, keys
from .commands.serve import serve

app = typer.Typer(name="unbroken_gateway", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(serve)
app.add_typer(keys.app, name="keys")
app.add_typer(audit.audit, name="audit")

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console may lack characters of a name
    app()
