"""Tests of a program that has an SDK, without a network: `scripted` puts scripted answers under the client.

client = scripted(anthropic.Anthropic(api_key="test"), ["Hello.", 529, "And again."])
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import anyio.lowlevel
import msgspec

from unbroken import Dialect, NetworkError, Request
from unbroken.config import ConfigSource
from unbroken.framing import MAX_EVENT_SIZE
from unbroken.registry import resolve, resolve_dialect
from unbroken.relay import Plugins
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken.transport import Opening

from ._auto import dialect_called, dialect_name
from ._bodies import Errors
from ._clients import Under
from ._seams import seam_of
from ._spoken import spoken

__all__ = ("Scripted", "scripted")

T = TypeVar("T")
Scripted = Answer | str | int | Exception
"""A whole answer; its text, in the form that the request asks for; the status of an error; or a failed connection."""

_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def scripted(
    client: T,
    answers: Iterable[Scripted],
    plugins: Plugins = None,
    *,
    requests: list[Request] | None = None,
    clock: FakeClock | None = None,
    config: ConfigSource = None,
    dialect: str | Dialect = "auto",
    errors: Errors = "event",
) -> T:
    """Return `client` as `protect` does, with `answers` in place of the network, one for each request in order.

    Text is spoken in the form that the request asks for, as a stream or as JSON: in the Messages API of Anthropic, also
    on Bedrock, in Converse of Bedrock, Chat Completions and Responses of OpenAI, and the APIs of Gemini and Ollama. For
    anything else give an `unbroken.testing.Answer`. An OSError such as
    ``ConnectionResetError()`` is a connection that failed; any other exception is raised where the answer would be.

    Each request that is sent is appended to `requests`. Time is that of `clock`: delays of the answers, back-offs and
    timeouts move it at once, and nothing really waits. The other arguments are those of `protect`.

    Raises ConfigurationError as `protect` does. A request too many is an AssertionError, which an SDK may wrap.
    """
    script = _Script(answers, [] if requests is None else requests)
    time = _Time() if clock is None else clock

    def network(is_async: bool) -> Any:
        sync = ScriptedTransport(script, time)
        return _AsyncTransport(sync) if is_async else sync

    seam = seam_of(client)
    meaning = dialect if dialect == "auto" else resolve_dialect(dialect)
    chosen = resolve(plugins, config).plugins
    under = Under(chosen, meaning, errors, "content", MAX_EVENT_SIZE, insecure=True, network=network, clock=time)
    protected: T = seam(client, under)
    return protected


class _Time(FakeClock):
    """A clock that async code moves as well, in whatever loop it runs."""

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await anyio.lowlevel.checkpoint()


class _Script:
    """Gives the answer to each request."""

    def __init__(self, answers: Iterable[Scripted], requests: list[Request]) -> None:
        self._answers: Iterator[Scripted] = iter(tuple(answers))
        self._requests = requests

    def __call__(self, request: Request) -> Answer:
        self._requests.append(request)
        try:
            answer = next(self._answers)
        except StopIteration:
            raise AssertionError(f"the script has no answer left for {request.method} {request.url}") from None
        if isinstance(answer, str):
            return _text(request, answer)
        if isinstance(answer, int):
            return _error(answer)
        if isinstance(answer, OSError):
            return Answer(failure=NetworkError(f"{type(answer).__name__}: {answer}"))
        return Answer(failure=answer) if isinstance(answer, Exception) else answer


def _text(request: Request, text: str) -> Answer:
    url = urlsplit(request.url)
    name, path = dialect_name(url.hostname or "", url.path), url.path
    dialect = dialect_called(name)
    streams = dialect.asks_for_stream(request)
    body = spoken(name, path, text, model=_model(request), streams=streams)
    if body is None:
        raise AssertionError(f"no text can be spoken for {request.method} {request.url}: give an Answer")
    kind = dialect.media_types[0] if streams else "application/json"
    return Answer(headers={"content-type": kind}, body=body)


def _model(request: Request) -> str:
    try:
        return str(msgspec.json.decode(request.content)["model"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "model"


def _error(status: int) -> Answer:
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    body = {"type": "error", "error": {"type": kind, "message": f"scripted: {status}"}}
    return Answer(status=status, headers={"content-type": "application/json"}, body=msgspec.json.encode(body))


class _AsyncTransport:
    """The scripted transport for async clients. Its waits move the clock at once."""

    def __init__(self, sync: ScriptedTransport) -> None:
        self._sync = sync

    async def open(self, request: Request, opening: Opening) -> "_AsyncExchange":
        await anyio.lowlevel.checkpoint()
        return _AsyncExchange(self._sync.open(request, opening))

    async def aclose(self) -> None:
        self._sync.close()


class _AsyncExchange:
    def __init__(self, sync: Any) -> None:
        self._sync = sync
        self.response = sync.response

    async def read(self, deadline: float | None) -> bytes:
        await anyio.lowlevel.checkpoint()
        data: bytes = self._sync.read(deadline)
        return data

    def abort(self) -> None:
        self._sync.close(reusable=False)

    async def aclose(self) -> None:
        self._sync.close(reusable=True)
