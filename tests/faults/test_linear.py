"""FAULTS G79: 100 kB of the worst text, wherever a pattern or a parser sees the wire or the configuration.

Nothing is held to a time. A text of 4n characters is compared with one of n in the same run, by CPU time: it takes 4
times as long where the work is linear, 16 times where it is quadratic.
"""

import time
from collections.abc import Callable
from statistics import median

import pytest

from unbroken import Error, Event, Headers, Response, secrets
from unbroken._engine.head import check_head, error_answer
from unbroken._wire.parser import ResponseParser
from unbroken._wire.route import route
from unbroken.config import load_settings
from unbroken.dialect import Dialect
from unbroken.error_bodies import error_message
from unbroken.messages import Request
from unbroken.retry_after import retry_after, should_retry
from unbroken.sse import SSEDecoder
from unbroken_anthropic import Anthropic
from unbroken_logging.redaction import clean, clean_id, clean_named
from unbroken_metrics._circuits import Circuits
from unbroken_metrics._labels import Labels, model_of
from unbroken_openai import OpenAI

MOST = 100_000
LINEAR, TOO_MUCH = 4, 9

# Of each, as often as fits. They are what the patterns of this library can be made to read again and again.
UNITS = {
    "digits": "0", "nines": "9", "letters": "a", "words": "a ", "spaces": " ", "tabs": "\t", "dots": "1.",
    "commas": "1,", "parts": "1m", "fractions": "1.1h", "signs": "-", "underscores": "1_", "equals": "=",
    "quotes": '"', "slashes": "\\", "brackets": "[", "braces": '{"a":', "days": "Mon,",
    "dates": "Sun, 06 Nov 1994 08:49:37 GMT,", "keys": "ask-",
    "underkeys": "ssk_", "tokens": "eyJ", "bearers": "bearer ", "names": "token=", "headers": "authorization: ",
    "urls": "http://a@", "queries": "?a", "pem": "-----BEGIN ", "titles": "<title>", "angles": "<", "xox": "xoxb-",
}  # fmt: skip
END = "!"
"""What comes last, so that no pattern matches and each tries all that it can."""


def cpu(function: Callable[[], object], times: int) -> float:
    began = time.thread_time()
    for _ in range(times):
        function()
    return time.thread_time() - began


def growth(function: Callable[[str], object], small: str, large: str) -> float:
    """How many times as long the large text takes; what takes next to nothing is repeated until it can be measured."""
    times = 1
    while times < 512 and cpu(lambda: function(small), times) < 0.002:
        times *= 2
    return median(cpu(lambda: function(large), times) / cpu(lambda: function(small), times) for _ in range(5))


def looks_linear(function: Callable[[str], object], small: str, large: str) -> bool:
    """Look once; whatever grows by so little has no need to be measured."""
    return cpu(lambda: function(large), 1) < 1.5 * LINEAR * cpu(lambda: function(small), 1)


def expect_linear(function: Callable[[str], object], make: Callable[[int], str]) -> None:
    small, large = make(MOST // 4), make(MOST)
    if not any(looks_linear(function, small, large) for _ in range(3)):
        grown = growth(function, small, large)
        assert grown < TOO_MUCH, f"4 times the text takes {grown:.1f} times the work: {small[:40]!r}"


def worst(unit: str, end: str) -> Callable[[int], str]:
    return lambda n: (unit * (n // len(unit) + 1))[:n] + end


def refused(function: Callable[[str], object]) -> Callable[[str], object]:
    """Errors are answers, too."""

    def call(text: str) -> object:
        try:
            return function(text)
        except (Error, ValueError) as error:
            return error

    return call


def response(name: str, text: str, status: int = 429) -> Response:
    return Response(status_code=status, headers=Headers({name: text}))


def limits(dialect: Dialect, names: list[str]) -> Callable[[str], object]:
    return lambda text: dialect.rate_limits(Headers(dict.fromkeys(names, text)), 0.0)


def head(text: str) -> object:
    parser = ResponseParser()
    latin = text.encode("latin-1", "replace")
    try:
        return parser.feed(b"HTTP/1.1 200 " + latin[:200] + b"\r\na: " + latin[:99_000] + b"\r\n\r\n")
    except Exception as error:
        return error


def chunks(text: str) -> object:
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        return parser.feed(text.encode("latin-1", "replace"))
    except Exception as error:
        return error


def status_line(text: str) -> object:
    parser = ResponseParser()
    try:
        return parser.feed(b"HTTP/1.1 " + text.encode("latin-1", "replace") + b"\r\n\r\n")
    except Exception as error:
        return error


def environment(text: str) -> object:
    return load_settings(environ={"UNBROKEN_RETRY__MAX_RETRIES": text, "UNBROKEN_PLUGINS": text}, cwd="/")


def body(dialect: Dialect) -> Callable[[str], object]:
    answer = response("x", "y", 500)
    return lambda text: dialect.error_from_response(answer, f'{{"error": {{"message": "{text}"'.encode())


def json_body(dialect: Dialect) -> Callable[[str], object]:
    answer = response("x", "y", 500)
    error = {"message": "", "type": "", "code": ""}
    return lambda text: dialect.error_from_response(
        answer, Event.make("", {"error": dict.fromkeys(error, text), "request_id": text}).raw
    )


def wrong_type(text: str) -> object:
    answer = response("content-type", f"text/{text}", 200)
    return check_head(answer, {"text/event-stream"}) or error_answer(
        Dialect(), answer, text.encode(), expected="text/event-stream"
    )


OPENAI_HEADERS = [f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset")]
ANTHROPIC_HEADERS = [f"anthropic-ratelimit-requests-{what}" for what in ("limit", "remaining", "reset")]

SEEN: dict[str, Callable[[str], object]] = {
    "header-value": lambda text: Headers.validated({"x": text}),
    "header-name": lambda text: Headers.validated({text: "x"}),
    "retry-after": lambda text: retry_after(Headers({"retry-after": text, "retry-after-ms": text}), 0.0),
    "date": lambda text: retry_after(Headers({"retry-after": text, "date": text}), 0.0),
    "should-retry": lambda text: should_retry(Headers({"x-should-retry": text})),
    "openai-limits": limits(OpenAI(), OPENAI_HEADERS),
    "anthropic-limits": limits(Anthropic(), [*ANTHROPIC_HEADERS, "date"]),
    "openai-body": body(OpenAI()),
    "openai-json": json_body(OpenAI()),
    "anthropic-body": body(Anthropic()),
    "anthropic-json": json_body(Anthropic()),
    "error-message": lambda text: error_message(text.encode()),
    "content-type": wrong_type,
    "redact": secrets.redact,
    "redact-telling": secrets.redact_telling,
    "redact-keys": secrets.redact_keys,
    "secret-name": secrets.is_secret_name,
    "log-value": clean,
    "log-id": clean_id,
    "log-name": lambda text: clean_named(text, "x"),
    "label": lambda text: Labels.of((text, model_of(f'{{"model":"{text}"'.encode()), text)),
    "label-later": lambda text: Labels.of(("", model_of(Event.make("", {"a": 1, "model": text}).raw), "")),
    "circuit-key": lambda text: Circuits().changed(text, f"https://{text}", "closed", "open"),
    "environment": environment,
    "head": head,
    "status-line": status_line,
    "chunks": chunks,
    "sse": lambda text: SSEDecoder().feed(text.encode()),
    "sse-fields": lambda text: SSEDecoder().feed(
        f"retry: {text}\nid: {text}\nevent: {text}\ndata: {text}\n\n".encode()
    ),
    "event": lambda text: Event("x", text.encode()).json(),
    "url": lambda text: Request.build("GET", f"http://{text}"),
    "path": lambda text: Request.build("GET", f"http://a/{text}"),
    "route": lambda text: route.__wrapped__(f"http://a/{text}"),
}


@pytest.mark.parametrize("seen", [pytest.param(name, id=f"G79-{name}") for name in SEEN])
def test_G79_the_worst_text_takes_linear_time(seen):
    """Any part of it may be what a pattern reads again and again."""
    for unit in UNITS.values():
        expect_linear(refused(SEEN[seen]), worst(unit, END))


def test_G79_one_field_many_times():
    """Their values are joined, at once."""
    expect_linear(lambda text: Headers([("a", "") for _ in text]), worst("a", ""))


@pytest.mark.parametrize("text", ["{%s=1}", "1\n[%s]"], ids=["G79-inline", "G79-table"])
def test_G79_a_dotted_key_in_the_environment(text):
    """Python's parser of TOML takes time in the square of its parts; nobody means one as long as that."""
    expect_linear(environment, lambda n: text % ("a." * (n // 2) + "a"))


def test_G79_a_dotted_key_in_a_file(tmp_path):
    """It is refused by the count of its points, with the line."""
    path = tmp_path / "unbroken.toml"
    path.write_text("[retry]\n" + "a." * (MOST // 2) + "a = 1\n")
    with pytest.raises(ValueError, match="line 2 has more than 2048 points"):
        load_settings(path, environ={})


def test_G79_a_file_without_end(tmp_path):
    """Its size is looked at before its text."""
    path = tmp_path / "unbroken.toml"
    path.write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        load_settings(path, environ={})
