"""Options that several commands have, and the report of a configuration that cannot be used."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from .._console import complain

PluginsOption = Annotated[
    str | None,
    typer.Option("--plugins", metavar="A,B", help="The plugins to use, outermost first; -NAME removes one."),
]
ConfigOption = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="A TOML file instead of the one that would be found.")
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Send credentials over http:// to other machines too.")
]
DialectOption = Annotated[str, typer.Option(metavar="NAME", help="What the events mean, such as anthropic.")]


def names_of(text: str | None) -> list[str] | None:
    """Return the names in the text of ``--plugins``."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


@contextmanager
def configuration_errors(typed: str | None = None) -> Generator[None]:
    """Print a ConfigurationError and exit with 2. A wrong URL is quoted as it was `typed`, without secrets."""
    from unbroken import ConfigurationError
    from unbroken.secrets import redact

    try:
        yield
    except ConfigurationError as error:
        if typed is not None and [problem.path for problem in error.problems] == ["url"]:
            shown = redact(typed.rpartition("@")[2].partition("?")[0])
            raise typer.BadParameter(f"{shown!r} {error.problems[0].message}", param_hint="URL") from None
        complain(error)
        raise typer.Exit(2) from None
