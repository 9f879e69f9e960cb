"""The vendors' SDKs over `protect`, against every fault of the server, and consumers that leave at any time.

An ordinary run leaves some tens of streams of each kind; ``UNBROKEN_LEAVING=1000`` leaves so many.
"""

import asyncio
import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import anthropic
import openai
import pytest
from attrs import define, field

from unbroken import Plugin, Request
from unbroken.headers import Headers
from unbroken_faults import FaultServer, faults
from unbroken_retry import Retry
from unbroken_sdk import protect
from unbroken_timeout import Timeout

COUNT: Final = int(os.environ.get("UNBROKEN_LEAVING", "50"))
ASK: Final[dict[str, Any]] = {"model": "test", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
SDKS: Final = ["anthropic", "openai"]

ANSWERS: Final = ["ok", "thinking", "tool_use", "no_content_type", "early_hints:times=2:interval=0.01", "sliced"]
SOUND: Final = [
    *ANSWERS,
    "close_idle",
    "keep_open",
    "reset_after_end",
    "slow:bandwidth=50000",
    "keep_open:data=garbage",
]
"""Faults that do no harm to an answer."""
BEFORE: Final = [
    *("500", "429", "529", "overloaded:retry_after=0.01", "json_error", "error_first", "error_after:after=1"),
    *("reset", "hang_up", "not_http", "cut:after=0", "cut:after=1:how=close", "truncate:after=1", "bad_chunk:after=1"),
]
"""Failures before the content that another attempt cures."""
FATAL: Final = [
    *("400", "401", "spend_limit", "rate_limited:retry_after=86400", "captive_portal", "no_content", "redirect"),
    *("many_headers", "huge_header", "both_lengths", "huge_error:size=100000000:status=400", "gzip", "gzip_bomb"),
    *("endless_line", "endless_data"),
]
"""Failures before the content that another attempt does not cure, or should not try to."""
LATE: Final = [
    *("error_after:after=6", "omit_terminal", "reset:after=6", "cut:after=6", "cut:after=6:how=close"),
    *("truncate:after=6", "bad_chunk:after=6", "garbage:after=6"),
]
SILENT: Final = [
    *("silence", "early_hints", "stall:after=0", "stall:after=6", "pings:after=1:interval=0.05"),
    *("pings:after=6:interval=0.05", "comments:after=6:interval=0.05", "drip:after=6:interval=0.2", "endless_comment"),
]
ODD: Final = ["duplicate"]
ALL: Final = [*SOUND, *BEFORE, *FATAL, *LATE, *SILENT, *ODD]


@define(eq=False)
class Program:
    """A program that streams through an SDK, sync or async, and what it saw."""

    sdk: str
    client: Any
    base: type[BaseException]
    text: str = ""
    events: int = 0
    error: BaseException | None = None
    pieces: list[str] = field(factory=list)

    @property
    def create(self) -> Any:
        return self.client.messages.create if self.sdk == "anthropic" else self.client.chat.completions.create

    @property
    def wire(self) -> Any:
        return self.client._client._transport._relay._transport

    def asking(self, fault: str | None) -> dict[str, Any]:
        more: dict[str, Any] = {"max_tokens": 100} if self.sdk == "anthropic" else {}
        return {**ASK, **more, "extra_headers": {"x-unbroken-fault": fault} if fault else {}}

    def see(self, event: Any) -> None:
        self.events += 1
        if self.sdk == "anthropic":
            said = event.delta.text if event.type == "content_block_delta" and event.delta.type == "text_delta" else ""
        else:
            said = "".join(choice.delta.content or "" for choice in event.choices)
        self.text += said

    def run(self, fault: str | None = None) -> None:
        self.text, self.error = "", None
        try:
            with self.create(**self.asking(fault)) as stream:
                for event in stream:
                    self.see(event)
        except Exception as error:
            self.error = error

    async def arun(self, fault: str | None = None, leave_after: int = -1) -> None:
        self.text, self.error = "", None
        try:
            async with await self.create(**self.asking(fault)) as stream:
                seen = 0
                async for event in stream:
                    self.see(event)
                    seen += 1
                    if seen == leave_after:
                        break
        except Exception as error:
            self.error = error

    def expect_nothing_held(self) -> None:
        assert self.wire.requests_under_way() == 0
        assert self.wire.open_connections() == self.wire.idle_connections()


class Naming(Plugin):
    """Names the fault of each attempt."""

    name = "naming"

    def __init__(self, fault: Callable[[], str]) -> None:
        super().__init__()
        self._fault = fault

    def before_request(self, call: Any, request: Request) -> Request:
        return request.with_headers(request.headers.merged(Headers({"x-unbroken-fault": self._fault()})))


def client_of(sdk: str, kind: str, url: str) -> Any:
    library: Any = anthropic if sdk == "anthropic" else openai
    name = ("Async" if kind == "async" else "") + ("Anthropic" if sdk == "anthropic" else "OpenAI")
    return getattr(library, name)(api_key="test", base_url=url if sdk == "anthropic" else f"{url}/v1")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def program_of(server: FaultServer) -> Iterator[Callable[..., Program]]:
    """Make programs; at the end, nothing may be held."""
    server.reset()
    made: list[Program] = []

    def make(sdk: str, kind: str, timeout: Timeout, before: Callable[[], str] | None = None) -> Program:
        plugins = [timeout, Retry(max_retries=1, initial_delay=0.01), *([] if before is None else [Naming(before)])]
        client = protect(client_of(sdk, kind, server.url), plugins, max_event_size=256 * 1024)
        made.append(Program(sdk, client, (anthropic.AnthropicError if sdk == "anthropic" else openai.OpenAIError)))
        return made[-1]

    yield make
    for program in made:
        program.expect_nothing_held()


def run_each(program: Program, kind: str, faults: list[str | None], look: Callable[[str | None], None]) -> None:
    """Run the program once for each fault, and look at it behind each."""
    if kind == "sync":
        with program.client:
            for fault in faults:
                program.run(fault)
                look(fault)
                program.expect_nothing_held()
        return

    async def main() -> None:
        async with program.client:
            for fault in faults:
                await program.arun(fault)
                look(fault)
                program.expect_nothing_held()

    asyncio.run(main())


PATIENT: Final = {"connect": 20.0, "first_event": 20.0, "idle": 20.0}


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("fault", ALL)
def test_a_fault_never_looks_like_an_answer(server, program_of, sdk, kind, fault) -> None:
    """The text is whole, or an exception of the SDK says that it is not; what was shown is the start of the text."""
    timeouts = {"connect": 20.0, "first_event": 0.5, "idle": 0.5, "total": 3.0} if fault in SILENT else PATIENT
    program = program_of(sdk, kind, Timeout(**timeouts))

    def look(fault: str | None) -> None:
        said = [reply.text or "" for reply in server.replies]
        if program.error is not None:
            assert isinstance(program.error, program.base), repr(program.error)
            assert program.text in ("", *(text[: len(program.text)] for text in said[-1:])) or fault in ODD
        else:
            assert program.text == said[-1] or fault in ODD
            whole = sdk == "openai" and fault == "omit_terminal"  # its finish_reason has come
            assert whole or fault in (*SOUND, *ODD), "a fault that ends an answer looked like none"

    run_each(program, kind, [fault], look)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("fault", BEFORE)
def test_what_happens_once_before_the_content_is_never_seen(server, program_of, sdk, kind, fault) -> None:
    """The second attempt gives the answer."""
    first = iter([fault, "ok"])
    program = program_of(sdk, kind, Timeout(**PATIENT), before=lambda: next(first))

    def look(_: str | None) -> None:
        assert program.error is None, repr(program.error)
        assert program.text == server.replies[-1].text
        assert len(server.requests) == 2

    run_each(program, kind, [None], look)


LEFT: Final = ["ok", "stall:after=7", "sliced:delay=0.001", "pings:after=7:interval=0.01", "keep_open"]


@pytest.mark.parametrize("sdk", SDKS)
def test_cancelling_twice_leaves_no_connection_busy(server, program_of, sdk) -> None:
    """Wherever the two cancellations come, at any of the awaits of the SDK or ours."""
    program, chance = program_of(sdk, "async", Timeout(**PATIENT)), Random(sdk)

    async def once() -> None:
        task = asyncio.ensure_future(program.arun(chance.choice([*LEFT, "silence", "stall:after=1"])))
        wanted = program.events + chance.choice([1, 2, 3, 10**9])
        for _ in range(chance.randrange(400)):
            if program.events < wanted:
                await asyncio.sleep(0)
        task.cancel()
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert program.wire.requests_under_way() == 0

    async def main() -> None:
        async with program.client:
            for _ in range(COUNT):
                await once()
            await program.arun("ok")
            assert program.error is None
            program.expect_nothing_held()

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:a stream was dropped:ResourceWarning")
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("sdk", SDKS)
def test_leaving_early_leaves_no_connection_busy(server, program_of, sdk, kind) -> None:
    """With the block of the SDK, by its `close`, and, where nothing is awaited, by dropping the stream."""
    program, chance = program_of(sdk, kind, Timeout(**PATIENT)), Random(sdk)

    def left() -> None:
        how = chance.choice(["block", "close", "drop"])
        stream = program.create(**program.asking(chance.choice(LEFT)))
        events, wanted = iter(stream), chance.choice([0, 1, 2])
        for _ in range(wanted):
            next(events)
        if how == "close" or not wanted:  # a stream that was never read is nobody's but the caller's to close
            stream.close()
        elif how == "block":
            with stream:
                pass
        else:
            del events, stream
        gc.collect(0)
        assert program.wire.requests_under_way() == 0

    if kind == "sync":
        with program.client:
            for _ in range(COUNT):
                left()
        return

    async def main() -> None:
        async with program.client:
            for _ in range(COUNT):
                await program.arun(chance.choice(LEFT), leave_after=chance.choice([1, 2]))
                assert program.error is None
                assert program.wire.requests_under_way() == 0

    asyncio.run(main())


def test_the_faults_above_are_those_of_the_server() -> None:
    """A new one must be judged here too."""
    named = {each.partition(":")[0] for each in ALL}
    statuses = {"status", "server_error", "overloaded", "rate_limited"}
    assert {*faults.CATALOGUE} - statuses <= named
