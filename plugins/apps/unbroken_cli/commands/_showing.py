"""The commands that show what is installed, configured and measured."""

from typing import Annotated

import typer

from ._options import ConfigOption, DialectOption, PluginsOption, configuration_errors, names_of


def plugins(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Show the settings of these plugins.")
    ] = None,
) -> None:
    """List the installed plugins and dialects, or show the settings of those named."""
    from ..plugins import list_plugins

    if not list_plugins(names or ()):
        raise typer.Exit(2)


def explain(plugins: PluginsOption = None, config: ConfigOption = None, dialect: DialectOption = "sse") -> None:
    """Show the plugins that a client would have here, the source of each setting, and the worst case of a call."""
    from ..explain import explain as explain_it

    with configuration_errors():
        explain_it(names_of(plugins), config, dialect)


def config(
    plugins: PluginsOption = None,
    config: ConfigOption = None,
    check: Annotated[
        str | None, typer.Option("--check", metavar="FILE", help="List all problems of this file instead.")
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of unbroken.toml for all that is installed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
) -> None:
    """Print every value that a client would have here, with its source: a file and line, a variable, an option.

    With --check it exits with 0 when the file can be used, with 2 otherwise.
    """
    from ..config import check_file, show_config, show_schema

    alone = "--schema" if schema else "--check"
    if (schema and check is not None) or (
        (schema or check is not None) and (plugins is not None or config is not None)
    ):
        raise typer.BadParameter("stands alone: no --plugins, no --config, no other", param_hint=alone)
    with configuration_errors():
        if schema:
            show_schema()
        elif check is not None:
            raise typer.Exit(check_file(check, as_json=as_json))
        else:
            show_config(names_of(plugins), config, as_json=as_json)


def top(
    url: Annotated[str, typer.Argument(metavar="URL", help="A metrics endpoint, such as :9464.")],
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two scrapes.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and exit.")] = False,
) -> None:
    """Watch the metrics of a running process: rates, percentiles, errors, circuits, until Ctrl-C.

    With --once it exits with 1 when the endpoint does not answer; without, it keeps trying.
    """
    from ..top import endpoint
    from ..top import top as show

    try:
        address = endpoint(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="URL") from None
    raise typer.Exit(show(address, interval=interval, once=once))
