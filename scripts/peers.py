"""Measure what a program sees of the doctor's faults with libraries that retry around an SDK.

``python scripts/peers.py NAME DIRECTORY`` measures one, in an environment that has it and anthropic;
``python scripts/peers.py --page docs/why.md DIRECTORY`` writes the table of those measured. `nox -s peers` does both.
Each peer is set up for three retries, as its documentation shows; the program shows the text as it arrives.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from attrs import asdict

from unbroken_sdk.doctor import CLIENTS, ROWS, Cell, Client, Limits, Say, run

BEGIN: Final = "<!-- peers: begin -->"
END: Final = "<!-- peers: end -->"
LIMITS: Final = Limits(give_up=15.0)
"""Longer than those of the doctor: the peers wait for seconds between two attempts."""
KEY: Final = "sk-unbroken-doctor"
Ask = Callable[[Any, Say], None]
Decorator = Callable[[Ask], Ask]
ANTHROPIC: Final = next(client for client in CLIENTS if client.name == "anthropic")


def bare(url: str, seconds: float) -> Any:
    """Return a client of the SDK without retries of its own."""
    return import_module("anthropic").Anthropic(base_url=url, api_key=KEY, timeout=seconds, max_retries=0)


def stamina() -> Decorator:
    """Return what retries on every error of the SDK and of the HTTP library below it."""
    errors = (import_module("anthropic").APIError, import_module("httpx2").TransportError)
    decorator: Decorator = import_module("stamina").retry(on=errors, attempts=4)
    return decorator


def retryhop() -> Decorator:
    """Return what retries on all that the library holds to be transient."""
    decorator: Decorator = import_module("retryhop").llm_retry(attempts=4)
    return decorator


def damper(url: str, seconds: float) -> Any:
    """Return a client of the SDK, wrapped."""
    library: Any = import_module("damper")
    return library.resilient(bare(url, seconds), policy=library.Policy(max_attempts=4, per_attempt_timeout=seconds))


def damper_stream(client: Any, say: Say) -> None:
    """Read the events: the wrapped ``text_stream`` has each piece twice with newer versions of the SDK."""
    messages = [{"role": "user", "content": "Tell me how you are."}]
    with client.messages.stream(model="claude-unbroken", max_tokens=64, messages=messages) as stream:
        for event in stream:
            if event.type == "content_block_delta":
                say(event.delta.text)
        stream.get_final_message()


def around(name: str, decorator: Callable[[], Decorator]) -> Client:
    """Return a peer that is put around the function that asks."""

    def stream(client: Any, say: Say) -> None:
        decorator()(ANTHROPIC.stream)(client, say)

    def plain(client: Any, say: Say) -> None:
        decorator()(ANTHROPIC.plain)(client, say)

    return Client(name=name, own=(name, "anthropic"), make=bare, stream=stream, plain=plain, path="/v1/messages")


PEERS: Final = {
    "stamina": around("stamina", stamina),
    "retryhop": around("retryhop", retryhop),
    "damper": Client(
        name="damper",
        own=("damper", "anthropic"),
        make=damper,
        stream=damper_stream,
        plain=ANTHROPIC.plain,
        path="/v1/messages",
    ),
}


def measure(peer: Client, directory: Path) -> None:
    """Write what is seen into a file of the peer's name, and end the process with the calls that hang."""
    seen: dict[str, dict[str, Any]] = {}

    def take(cell: Cell) -> None:
        seen[cell.row] = asdict(cell)

    run(peer, ROWS, LIMITS, take, sides=(False,))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{peer.name}.json").write_text(json.dumps({"version": peer.version, "rows": seen}, indent=2))
    os._exit(0)


def page(path: Path, directory: Path) -> None:
    """Write the table between the markers of the page."""
    measured = {name: json.loads((directory / f"{name}.json").read_text()) for name in PEERS}
    lines = [["fault", *(f"{name} {found['version']}" for name, found in measured.items())]]
    lines.append(["---"] * len(lines[0]))
    for row in ROWS:
        cells = [Cell(**found["rows"][row.name]) for found in measured.values()]
        lines.append([row.title, *(f"{cell.saw}, {cell.counted}" for cell in cells)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("| --- ", "|---").replace("--- |", "---|")
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "--page":
        page(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        measure(PEERS[sys.argv[1]], Path(sys.argv[2]))
