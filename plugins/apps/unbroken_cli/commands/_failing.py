"""The commands around servers that fail."""

from pathlib import Path
from typing import Annotated

import typer

from ._options import configuration_errors


def demo(
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Run this row only; can be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
    use_async: Annotated[bool, typer.Option("--async", help="Use the AsyncClient, on asyncio.")] = False,
    seed: Annotated[int, typer.Option(help="Determines the ids and how the bytes are cut into pieces.")] = 0,
    dialect: Annotated[
        str,
        typer.Option(metavar="NAME", help="The API: anthropic, openai, responses, gemini, ollama or bedrock."),
    ] = "anthropic",
    metrics: Annotated[bool, typer.Option("--metrics", help="Count, and print the metrics at the end.")] = False,
    storm: Annotated[
        bool, typer.Option("--storm", help="Instead: what retries do to a server that is down, in virtual time.")
    ] = False,
) -> None:
    """Stream real conversations from a server that fails in every way, and show how each call ends.

    With --storm it makes a thousand calls during an outage of three minutes, in virtual
    time, and shows the load that retries put on the server, with and without policies.

    Exits with 0 when every row ended as required, with 1 otherwise.
    """
    from ..demo import SCENARIOS, api_named, chosen, run_demo

    if storm:
        if only or use_async or metrics or dialect != "anthropic":
            raise typer.BadParameter("goes with --seed and --json alone", param_hint="--storm")
        from ..demo.storm import run_storm

        raise typer.Exit(0 if run_storm(seed=seed, as_json=as_json) else 1)
    api = api_named(dialect)
    rows = chosen(only, api.rows(SCENARIOS))
    with configuration_errors():
        good = run_demo(rows, api=api, seed=seed, use_async=use_async, as_json=as_json, metrics=metrics)
    if not good:
        raise typer.Exit(1)


def doctor(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="CLIENT", help="Such as anthropic; without it, all installed ones.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Run this fault only; can be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write the table into this Markdown page, too.")
    ] = None,
) -> None:
    """Run twenty faults against the SDKs that are installed, alone and under Unbroken.

    Everything stays on this machine. Each client runs in a process of its own.

    Exits with 0 when no call under Unbroken was silent, doubled, hanging or raw,
    with 1 otherwise, with 2 when there is no such client here.
    """
    from unbroken_sdk.doctor import FAULTS, PageError

    from ..doctor import UnknownNameError
    from ..doctor import doctor as examine

    known = [row.name for row in FAULTS]
    unknown = [name for name in only or () if name not in known]
    if unknown:
        raise typer.BadParameter(f"there is no fault {unknown[0]!r}; there are {', '.join(known)}", param_hint="--only")
    rows = [row for row in FAULTS if not only or row.name in only]
    try:
        raise typer.Exit(examine(names, rows, as_json=as_json, page=page))
    except UnknownNameError as error:
        raise typer.BadParameter(str(error), param_hint="CLIENT") from None
    except PageError as error:
        raise typer.BadParameter(str(error), param_hint="--page") from None


def faults(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
    seed: Annotated[int, typer.Option(help="Determines everything that the server says.")] = 0,
    script: Annotated[
        str, typer.Option(metavar="SCRIPT", help="One fault per request, such as '429:retry_after=0.2, 2*stall, ok'.")
    ] = "",
    show_list: Annotated[bool, typer.Option("--list", help="List the faults.")] = False,
) -> None:
    """Run the fault server on its own and print each request, until Ctrl-C."""
    from unbroken_faults import ScriptError, parse_script

    from ..faults import list_faults, serve

    if show_list:
        list_faults()
        return
    try:
        serve(parse_script(script), port=port, seed=seed)
    except ScriptError as error:
        raise typer.BadParameter(str(error), param_hint="--script") from None
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--port") from None
