"""The commands and their options. Each imports its implementation when it runs, so that ``--help`` is quick.

The entry point group `unbroken.commands` in pyproject.toml names these functions, and the one of `new_plugin`. Typer
prints the docstrings; it keeps the line breaks after the first paragraph, so those lines are short enough for 80
columns.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ._console import complain

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
    from .demo import SCENARIOS, api_named, chosen, run_demo

    if storm:
        from .demo.storm import run_storm

        if only or use_async or metrics or dialect != "anthropic":
            raise typer.BadParameter("goes with --seed and --json alone", param_hint="--storm")
        raise typer.Exit(0 if run_storm(seed=seed, as_json=as_json) else 1)
    api = api_named(dialect)
    rows = chosen(only, api.rows(SCENARIOS))
    with _configuration_errors():
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

    from .doctor import UnknownNameError
    from .doctor import doctor as examine

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


def plugins(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Show the settings of these plugins.")
    ] = None,
) -> None:
    """List the installed plugins and dialects, or show the settings of those named."""
    from .plugins import list_plugins

    if not list_plugins(names or ()):
        raise typer.Exit(2)


def explain(plugins: PluginsOption = None, config: ConfigOption = None, dialect: DialectOption = "sse") -> None:
    """Show the plugins that a client would have here, the source of each setting, and the worst case of a call."""
    from .explain import explain as explain_it

    with _configuration_errors():
        explain_it(_names(plugins), config, dialect)


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
    from .config import check_file, show_config, show_schema

    alone = "--schema" if schema else "--check"
    if (schema and check is not None) or (
        (schema or check is not None) and (plugins is not None or config is not None)
    ):
        raise typer.BadParameter("stands alone: no --plugins, no --config, no other", param_hint=alone)
    with _configuration_errors():
        if schema:
            show_schema()
        elif check is not None:
            raise typer.Exit(check_file(check, as_json=as_json))
        else:
            show_config(_names(plugins), config, as_json=as_json)


def stream(
    url: Annotated[str, typer.Argument(metavar="URL", help="Any endpoint that sends events.")],
    dialect: DialectOption = "sse",
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="'K: V'", help="A header to send; can be repeated.")
    ] = None,
    json_body: Annotated[
        str | None,
        typer.Option(metavar="JSON|@FILE|-", help="The body: JSON, a file, or standard input."),
    ] = None,
    method: Annotated[str | None, typer.Option(help="POST with a body and GET without, unless given.")] = None,
    plugins: PluginsOption = None,
    config: ConfigOption = None,
    insecure: InsecureOption = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the events as they came.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Print the text alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per event.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say on standard error what it waits for.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.001, help="The longest wait for the first event, and between two."),
    ] = None,
    total: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.001, help="The longest time for the whole call.")
    ] = None,
) -> None:
    """Print a stream of events as they arrive: the text where the dialect knows it, else the events.

    Exits with 0 when the stream was complete, 1 when it failed, 2 for bad usage or configuration, 130 after Ctrl-C.
    """
    from .stream import StreamRequest, parse_body, parse_form, parse_headers
    from .stream import stream as stream_it

    content = parse_body(json_body)
    request = StreamRequest(
        method=method or ("GET" if content is None else "POST"),
        url=url,
        headers=parse_headers(header or ()),
        content=content,
        dialect=dialect,
        plugins=_names(plugins),
        config=config,
        insecure=insecure,
        form=parse_form(raw=raw, text=text, as_json=as_json),
        verbose=verbose,
        timeout=timeout,
        total=total,
    )
    with _configuration_errors(typed=url):
        raise typer.Exit(stream_it(request))


def chat(
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Without it: a conversation, or standard input.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Anthropic: claude-sonnet-4-5; OpenAI: gpt-5.4-mini."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The longest answer; Anthropic: 4096 unless given.")
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="Instructions for the model.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="A backend of your own that speaks the Messages API.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="For the backend; UNBROKEN_TOKEN is safer, as other users see options."),
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose API is spoken: anthropic, openai, gemini or ollama.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The API, such as http://127.0.0.1:11434/v1 for openai.")
    ] = None,
    plugins: PluginsOption = None,
    config: ConfigOption = None,
    insecure: InsecureOption = False,
    demo: Annotated[bool, typer.Option("--demo", help="Ask an embedded server that makes its answers up.")] = False,
) -> None:
    """Talk to a model: one question, or a conversation in the terminal.

    Asks the --endpoint or --base-url that is given; without one, Anthropic when
    ANTHROPIC_API_KEY is set, OpenAI when OPENAI_API_KEY is; else, with --demo or
    in a conversation, an embedded server that makes its answers up.

    Exits with 0, with 1 when an answer failed, 2 for bad usage or
    configuration, 130 after Ctrl-C.
    """
    from .chat import ChatRequest
    from .chat import chat as chat_it

    request = ChatRequest(
        question=question,
        model=model,
        max_tokens=max_tokens,
        system=system,
        endpoint=endpoint,
        token=token,
        dialect=dialect,
        base_url=base_url,
        plugins=_names(plugins),
        config=config,
        insecure=insecure,
        demo=demo,
    )
    with _configuration_errors():
        raise typer.Exit(chat_it(request))


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

    from .faults import list_faults, serve

    if show_list:
        list_faults()
        return
    try:
        serve(parse_script(script), port=port, seed=seed)
    except ScriptError as error:
        raise typer.BadParameter(str(error), param_hint="--script") from None
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--port") from None


def top(
    url: Annotated[str, typer.Argument(metavar="URL", help="A metrics endpoint, such as :9464.")],
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two scrapes.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and exit.")] = False,
) -> None:
    """Watch the metrics of a running process: rates, percentiles, errors, circuits, until Ctrl-C.

    With --once it exits with 1 when the endpoint does not answer; without, it keeps trying.
    """
    from .top import endpoint
    from .top import top as show

    try:
        address = endpoint(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="URL") from None
    raise typer.Exit(show(address, interval=interval, once=once))


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


@contextmanager
def _configuration_errors(typed: str | None = None) -> Generator[None]:
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
