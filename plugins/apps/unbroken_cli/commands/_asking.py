"""The commands that ask a server."""

from typing import Annotated

import typer

from ._options import ConfigOption, DialectOption, InsecureOption, PluginsOption, configuration_errors, names_of


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
    from ..stream import StreamRequest, parse_body, parse_form, parse_headers
    from ..stream import stream as stream_it

    content = parse_body(json_body)
    request = StreamRequest(
        method=method or ("GET" if content is None else "POST"),
        url=url,
        headers=parse_headers(header or ()),
        content=content,
        dialect=dialect,
        plugins=names_of(plugins),
        config=config,
        insecure=insecure,
        form=parse_form(raw=raw, text=text, as_json=as_json),
        verbose=verbose,
        timeout=timeout,
        total=total,
    )
    with configuration_errors(typed=url):
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
    from ..chat import ChatRequest
    from ..chat import chat as chat_it

    request = ChatRequest(
        question=question,
        model=model,
        max_tokens=max_tokens,
        system=system,
        endpoint=endpoint,
        token=token,
        dialect=dialect,
        base_url=base_url,
        plugins=names_of(plugins),
        config=config,
        insecure=insecure,
        demo=demo,
    )
    with configuration_errors():
        raise typer.Exit(chat_it(request))
