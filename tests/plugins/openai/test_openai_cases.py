"""What a consumer must see of what servers send, as data: each file of ``cases/`` holds the cases of one kind.

`body` is a list of pieces: text as it is, a number (a pause in seconds), ``{"data": X}`` and ``{"event": name, "data":
X}`` (SSE events, X is JSON or text as it is), ``{"named": {...}}`` (an event with its ``type`` as its name), ``{"json":
X}`` (bare JSON) and ``{"times": n, "of": [pieces]}``. `end` is ``clean``, ``cut`` or ``open``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unbroken import AsyncClient, Client, Error, NetworkError
from unbroken.testing import STALL, Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport
from unbroken.testing.runner import run
from unbroken_openai import OpenAI
from unbroken_retry import Retry
from unbroken_timeout import Timeout

FILES = sorted((Path(__file__).parent / "cases").glob("*.json"))
CASES = [case for file in FILES for case in json.loads(file.read_bytes())]
ENDS: dict[str, list[Any]] = {"clean": [], "cut": [NetworkError("the connection was cut")], "open": [STALL]}
URL = "https://api.example.org/v1/chat/completions"


def test_there_are_cases_and_each_has_a_name_of_its_own():
    """A file that is not found would look like success."""
    assert len(CASES) > 150
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("size", "backend"), [(1 << 20, "sync"), (1, "asyncio")], ids=["whole-sync", "bytes-async"])
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_consumer_sees_what_it_must(case: dict[str, Any], size: int, backend: str):
    """However the bytes are cut, and the same in both clients."""
    seen = Seen(case, size)
    if backend == "sync":
        seen.in_sync()
    else:
        run(seen.in_async, clock=seen.clock, backend="asyncio")
    facts = seen.facts()
    expect = dict(case["expect"])
    outcome, within = expect.pop("outcome"), expect.pop("within", 1e9)
    assert facts["outcome"] in (outcome if isinstance(outcome, list) else [outcome]), facts["said"]
    assert facts["outcome"] not in expect.pop("not", ())
    assert expect.pop("message_has", "") in facts["said"]
    assert facts["elapsed"] <= within
    usage = expect.pop("usage", {})
    assert {name: getattr(seen.stream.usage, name) for name in usage} == usage
    assert {name: facts[name] for name in expect} == expect


class Seen:
    """One case, played once."""

    def __init__(self, case: dict[str, Any], size: int) -> None:
        self.case, self.clock = case, FakeClock()
        self.started = self.clock.monotonic()
        self.script = [answer(each, size) for each in case["answers"]]
        self.text, self.types, self.done, self.error = "", [], False, None
        self.requests: list[Any] = []
        self.stream: Any = None

    def options(self) -> dict[str, Any]:
        policies = self.case.get("policies", {})
        plugins: list[Any] = [Timeout(**policies["timeout"])] if "timeout" in policies else []
        plugins += [Retry(**policies["retry"])] if "retry" in policies else []
        dialect = OpenAI(**self.case.get("dialect_settings", {}))
        return {"plugins": plugins, "dialect": dialect, "clock": self.clock}

    def body(self) -> dict[str, Any]:
        return {"stream": True, **self.case.get("request", {})}

    def in_sync(self) -> None:
        transport = ScriptedTransport(self.script, self.clock)
        with Client(transport=transport, **self.options()) as client:
            self.stream = client.stream("POST", URL, json=self.body())
            try:
                with self.stream as stream:
                    for piece in stream.text() if self.case["consume"] == "text" else stream:
                        self.take(piece)
            except Error as error:
                self.error = error
        self.requests = transport.requests

    async def in_async(self) -> None:
        transport = AsyncScriptedTransport(self.script, self.clock)
        async with AsyncClient(transport=transport, **self.options()) as client:
            self.stream = client.stream("POST", URL, json=self.body())
            try:
                async with self.stream as stream:
                    async for piece in stream.text() if self.case["consume"] == "text" else stream:
                        self.take(piece)
            except Error as error:
                self.error = error
        self.requests = transport.requests

    def take(self, piece: Any) -> None:
        if isinstance(piece, str):
            self.text += piece
            return
        self.types.append(piece.type)
        self.done = self.done or piece.raw.strip() == b"[DONE]"
        if self.case["consume"] == "json":
            piece.json()

    def facts(self) -> dict[str, Any]:
        error = self.error
        status = self.stream.outcome.status
        return {
            "outcome": "success" if error is None else "failure" if self.wants_any else type(error).__name__,
            "said": "" if error is None else error.message,
            "text": self.text,
            "requests": len(self.requests),
            "types": self.types,
            "events": len(self.types),
            "done_hidden": not self.done,
            "elapsed": self.clock.monotonic() - self.started,
            "status": status,
            "metrics": {"failures": int(status == "failure"), "successes": int(status == "success")},
            **{name: getattr(error, name, None) for name in ("retryable", "kind", "status_code", "timeout")},
        }

    @property
    def wants_any(self) -> bool:
        return self.case["expect"]["outcome"] == "failure" and type(self.error).__name__ not in self.case["expect"].get(
            "not", ()
        )


def answer(data: dict[str, Any], size: int) -> Answer:
    items: list[Any] = []
    for piece in pieces(data.get("body", [])):
        whole = items.pop() if items and isinstance(piece, bytes) and isinstance(items[-1], bytes) else b""
        items.append(whole + piece if isinstance(piece, bytes) else piece)
    cut = [part for item in items for part in (parts(item, size) if isinstance(item, bytes) else [item])]
    headers = {
        "content-type": "text/event-stream",
        **{name.lower(): value for name, value in data.get("headers", {}).items()},
    }
    return Answer(status=data.get("status", 200), headers=headers, body=[*cut, *ENDS[data.get("end", "clean")]])


def parts(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def pieces(body: list[Any]) -> Iterator[bytes | float]:
    for piece in body:
        if isinstance(piece, (int, float)):
            yield float(piece)
        elif isinstance(piece, str):
            yield piece.encode()
        elif "times" in piece:
            yield from [*pieces(piece["of"])] * piece["times"]
        elif "named" in piece:
            yield from pieces([{"event": piece["named"]["type"], "data": piece["named"]}])
        elif "json" in piece:
            yield json.dumps(piece["json"]).encode()
        else:
            data = piece["data"] if isinstance(piece["data"], str) else json.dumps(piece["data"], ensure_ascii=False)
            name = f"event: {piece['event']}\n" if "event" in piece else ""
            yield f"{name}data: {data}\n\n".encode()
