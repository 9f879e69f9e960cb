"""`unbroken faults`: the fault server on its own, and the list of its faults."""

import time
from collections.abc import Callable, Sequence
from typing import Final, cast

import attrs
from rich.console import Console
from rich.text import Text

from unbroken_faults import Fault, FaultServer, ReceivedRequest, faults

from ._console import console, printable
from ._layout import show

PATHS: Final = {
    "anthropic": "/v1/messages, /v1/messages/count_tokens",
    "openai": "/v1/chat/completions, /v1/responses",
    "gemini": "/v1beta/models/MODEL:streamGenerateContent?alt=sse, :generateContent",
    "ollama": "/api/chat, /api/generate",
    "bedrock": "/model/MODEL/converse-stream, /converse, /invoke-with-response-stream, /invoke",
    "mcp": "/mcp",
}
"""The paths of the APIs that the server speaks, by dialect."""

Tick = Callable[[], None]
_TICK = 0.1
"""Seconds between two looks at the requests."""


def list_faults() -> None:
    """Print every fault as a script writes it, with its description."""
    out = console()
    for usage, doc in faults.describe().items():
        show(out, Text(usage, "bold"), rest="  ")
        show(out, Text(" ".join(doc.split()), "dim"), "    ", "    ")


def serve(script: Sequence[Fault], *, port: int, seed: int, tick: Tick = lambda: time.sleep(_TICK)) -> None:
    """Serve and print each request until Ctrl-C. Raises OSError when the port is not available."""
    out = console()
    with FaultServer(script, seed=seed, port=port) as server:
        _introduce(out, server.url, len(script))
        shown = 0
        try:
            while True:
                requests = server.requests
                for request, fault in [*zip(requests, server.faults, strict=False)][shown:]:
                    show(out, _line(request, fault), rest=" " * 6)
                shown = len(requests)
                tick()
        except KeyboardInterrupt:
            out.print(Text(f"{shown} request{'' if shown == 1 else 's'}", "dim"))


def _introduce(out: Console, url: str, count: int) -> None:
    show(out, Text.assemble("serving ", (f"{url}/v1/messages", "bold cyan")), rest="  ")
    scripted = "the next request follows" if count == 1 else f"the next {count} requests follow"
    queue = f"{scripted} the script" if count else "every request is answered well"
    show(out, Text(f"{queue}, ?fault=NAME asks for one; Ctrl-C stops", "dim"))
    for name, paths in PATHS.items():
        show(out, Text(paths, "dim"), Text(f"  {name:<12}", "dim"), " " * 14)
    body = '{"model":"m","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hello"}]}'
    try_it = f"unbroken stream {url}/v1/messages --dialect anthropic --json-body '{body}'"
    out.print(Text(try_it, "dim"), soft_wrap=True)  # in one line, to be copied


def _line(request: ReceivedRequest, answer: Fault) -> Text:
    fault = request.asked_fault() or _words(answer)
    asked_for = printable(f"{request.method} {request.path}")
    line = Text(f"{request.number:4}  connection {request.connection}  {asked_for}  ")
    return line.append(printable(fault), "yellow" if fault != "ok" else "green")


def _words(fault: Fault) -> str:
    """Return the fields of a fault that differ from their defaults, as a script writes them."""
    unusual = (
        f"{each.name}={_value(getattr(fault, each.name))}"
        for each in attrs.fields(Fault)
        if getattr(fault, each.name) != each.default
    )
    return " ".join(unusual) or "ok"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_value, cast("tuple[object, ...]", value)))
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
