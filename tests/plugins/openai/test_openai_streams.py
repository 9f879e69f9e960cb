"""The dialect at work in the engine: whole streams, in every backend, without sockets."""

from typing import Any

import pytest

from unbroken.errors import OverloadedError, QuotaExceededError, RateLimitError, TimeoutError, TruncatedStreamError
from unbroken.messages import Timeouts, Usage
from unbroken.testing import BACKENDS, STALL, Answer, play, sse
from unbroken_openai import OpenAI
from unbroken_openai._reader import OpenAIReader
from unbroken_retry import Retry


def chunk(*choices: Any, **fields: Any) -> tuple[str, Any]:
    return "", {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": list(choices), **fields}


def delta(finish_reason: str | None = None, **fields: Any) -> tuple[str, Any]:
    return chunk({"index": 0, "delta": fields, "finish_reason": finish_reason}, usage=None)


def named(type: str, **fields: Any) -> tuple[str, Any]:
    return type, {"type": type, **fields}


FILTER = chunk(prompt_filter_results=[{"prompt_index": 0}])
ROLE = delta(role="assistant", content="")
TEXT = [delta(content="Hel"), delta(content="lo")]
STOP = delta("stop")
COUNTS = chunk(usage={"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}})
DONE = "[DONE]"
SAID = [FILTER, ROLE, *TEXT, STOP, COUNTS]
CHAT = [*SAID, DONE]
OVERLOADED = ("", {"error": {"type": "server_error", "code": "server_is_overloaded", "message": "Try later"}})

SHELL = [
    named("response.created", response={"usage": None}),
    named("response.in_progress", response={"usage": None}),
    named("response.output_item.added", item={}),
    named("response.content_part.added", part={}),
]
WORDS = [named("response.output_text.delta", delta="Hel"), named("response.output_text.delta", delta="lo")]
END = named("response.completed", response={"usage": {"input_tokens": 9, "output_tokens": 2}})
RESPONSES = [*SHELL, *WORDS, named("response.output_text.done", text="Hello"), END]
FAILED = named("response.failed", response={"error": {"code": "server_is_overloaded", "message": "Try later"}})

BOTH = pytest.mark.parametrize(
    ("shell", "words", "rest", "error"),
    [
        pytest.param([FILTER, ROLE], TEXT, [STOP, COUNTS], OVERLOADED, id="chat"),
        pytest.param(SHELL, WORDS, [END], FAILED, id="responses"),
    ],
)


def run(*answers: Any, **options: Any) -> Any:
    """Play one call whose attempts are answered by these lists of events, with a policy that retries."""
    script = [each if isinstance(each, Answer) else Answer(body=sse(*each)) for each in answers]
    return play(script, [Retry()], dialect=OpenAI(), **options)


def text(played: Any) -> str:
    reader = OpenAIReader("done")
    return "".join(reader.text(event) or "" for event in played.events)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("events", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_a_complete_stream_is_delivered_as_it_came(events: list[Any], backend: Any):
    """Every event except [DONE] once and in order, with its text and the usage of its end."""
    played = run(events, backend=backend)
    delivered = len(SAID if events is CHAT else events)
    assert (played.error, played.outcome.status, len(played.events)) == (None, "success", delivered)
    assert text(played) == "Hello"
    read = 4 if events is CHAT else None
    assert played.usage == Usage(input_tokens=9 - (read or 0), output_tokens=2, cache_read_tokens=read, final=True)


@BOTH
def test_an_error_before_any_content_is_retried_unseen(shell: Any, words: Any, rest: Any, error: Any):
    """The consumer sees the second attempt alone."""
    good = [*shell, *words, *rest]
    for before in ([], shell):
        played = run([*before, error], good)
        assert (played.error, played.attempts, len(played.events)) == (None, 2, len([*shell, *words, *rest]))
        assert played.history[0].error == "OverloadedError"


@BOTH
def test_an_error_after_content_surfaces_as_its_http_twin(shell: Any, words: Any, rest: Any, error: Any):
    """No second attempt, and no status that the response did not have."""
    head = Answer(
        headers={"content-type": "text/event-stream", "x-request-id": "req_1"}, body=sse(*shell, *words, error)
    )
    played = run(head)
    assert played.error.__class__ is OverloadedError
    failure = played.failure
    assert (failure.status_code, failure.kind, failure.response_id) == (None, "server_is_overloaded", "req_1")
    assert (len(played.requests), text(played)) == (1, "Hello")


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([ROLE, *TEXT], id="C37-after-text"),
        pytest.param([ROLE, *TEXT, COUNTS], id="C37-after-usage"),
        pytest.param(RESPONSES[:-1], id="C37-responses"),
    ],
)
def test_a_stream_without_its_end_is_truncated(events: list[Any]):
    """Neither text nor the counts prove that all has come."""
    played = run(events)
    assert played.error.__class__ is TruncatedStreamError
    assert (len(played.events), len(played.requests)) == (len(events), 1)


def test_a_stream_cut_before_any_content_is_retried():
    """A role alone commits nothing."""
    played = run([ROLE], [FILTER, ROLE], CHAT)
    assert (played.error, played.attempts, text(played)) == (None, 3, "Hello")


def test_an_answer_without_a_word_is_complete():
    """What was held back comes with the end."""
    played = run([ROLE, STOP, DONE])
    assert (played.error, len(played.events)) == (None, 2)


def test_nothing_is_read_behind_the_end():
    """Some servers send [DONE] behind the end of a response, others keep the socket open."""
    played = run(Answer(body=[sse(*RESPONSES), sse(DONE), STALL]))
    assert (played.error, len(played.events)) == (None, len(RESPONSES))
    assert run(Answer(body=[sse(*CHAT), STALL])).error is None


def test_comments_and_keepalives_are_no_progress():
    """They are all that comes from a server that is stuck."""
    comments = [b": OPENROUTER PROCESSING\n\n", 5.0] * 20
    played = run(Answer(body=[sse(ROLE, TEXT[0]), *comments]), timeouts=Timeouts(idle=20))
    assert played.error.__class__ is TimeoutError
    keepalives = [sse(named("keepalive", sequence_number=7)), 5.0] * 20
    played = run(Answer(body=[sse(*SHELL, WORDS[0]), *keepalives]), timeouts=Timeouts(idle=20))
    assert played.error.__class__ is TimeoutError


def test_what_is_spent_is_asked_for_once():
    """One request, and the error of a quota (B32)."""
    body = b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":null}}'
    played = run(Answer(status=429, headers={"retry-after": "1"}, body=body))
    assert played.error.__class__ is QuotaExceededError
    assert len(played.requests) == 1


def test_a_rate_limit_is_waited_for():
    """As long as the server asks."""
    body = b'{"error":{"message":"Slower","type":"tokens","code":"rate_limit_exceeded"}}'
    played = run(Answer(status=429, headers={"retry-after-ms": "1500", "retry-after": "2"}, body=body), CHAT)
    assert (played.error, played.history[0].error) == (None, RateLimitError.__name__)
    assert played.elapsed >= 1.5
