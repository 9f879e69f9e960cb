"""The dialect at work in the engine: whole streams, in every backend, without sockets."""

from typing import Any

import pytest

from unbroken import Client, ConfigurationError
from unbroken.errors import ContentTypeError, OverloadedError, RateLimitError, TimeoutError, TruncatedStreamError
from unbroken.messages import Timeouts, Usage
from unbroken.testing import BACKENDS, STALL, Answer, FakeClock, ScriptedTransport, sse
from unbroken_gemini import Gemini

from .chunks import (
    CALL,
    DONE,
    HELLO,
    OVERLOADED,
    STREAM,
    THINKING,
    THOUGHT,
    candidate,
    chunk,
    counts,
    failure,
    run,
    said,
    text,
    written,
)

STOP = said(finish="STOP", **counts(9, 2))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("events", "said", "output"),
    [(HELLO, "Hello", 2), (THINKING, "Hello ", 9)],
    ids=["text", "thinking"],
)
def test_a_complete_stream_is_delivered_as_it_came(events: list[Any], said: str, output: int, backend: Any):
    """Every event once and in order, with its text and the counts of its end."""
    played = run(events, backend=backend)
    assert (played.error, played.outcome.status, len(played.events)) == (None, "success", len(events))
    assert text(played) == said
    assert played.usage == Usage(input_tokens=9, output_tokens=output, final=True)


def test_an_error_before_any_content_is_retried_unseen():
    """Neither counts nor an empty chunk commit, not even one with a finishReason."""
    empty = [said("", **counts(9)), chunk(**counts(9)), said(finish="STOP")]
    played = run([OVERLOADED], [*empty, OVERLOADED], HELLO)
    assert (played.error, played.attempts, len(played.events)) == (None, 3, len(HELLO))
    assert [failed.error for failed in played.history] == ["OverloadedError"] * 2


def test_an_error_after_content_surfaces_as_its_http_twin():
    """No second attempt, and the status is the one that the event gives."""
    played = run([*HELLO[:1], ("", failure(429, "RESOURCE_EXHAUSTED"))])
    assert played.error.__class__ is RateLimitError
    assert (played.failure.status_code, played.failure.kind) == (429, "RESOURCE_EXHAUSTED")
    assert (len(played.requests), text(played)) == (1, "Hel")


@pytest.mark.parametrize("lines", [1, 7], ids=["one-line", "over-lines"])
def test_an_error_behind_the_finish_is_one(lines: int):
    """The API was seen to send it as bare JSON, behind the chunk with STOP."""
    said = sse(OVERLOADED).removeprefix(b"data: ").rstrip()
    bare = said.replace(b",", b",\n").replace(b"{", b"{\n") if lines > 1 else said
    for end in (b"\n", b"\r\n\r\n", b""):
        played = run(Answer(body=[sse(*HELLO), bare + end]))
        assert played.error.__class__ is OverloadedError
    assert run([*HELLO, OVERLOADED]).error.__class__ is OverloadedError


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="nothing"),
        pytest.param(HELLO[:-1], id="after-text"),
        pytest.param([*HELLO[:-1], chunk(**counts(9, 2))], id="after-counts"),
        pytest.param([said("Hel", finish="FINISH_REASON_UNSPECIFIED")], id="unspecified"),
        pytest.param([said("Hel", finish="")], id="empty-reason"),
        pytest.param([said("Hel", finish=0)], id="zero"),
        pytest.param([said(finish="STOP"), said("Hel")], id="finished-before-the-text"),
        pytest.param([chunk(candidate("Hel", finish="STOP"), candidate("No", index=1))], id="one-of-two"),
        pytest.param([chunk(promptFeedback={"blockReason": "BLOCKED_REASON_UNSPECIFIED"})], id="not-blocked"),
        pytest.param([chunk(promptFeedback={"blockReason": "OTHER"}), said("Hel")], id="blocked-but-text"),
        pytest.param([*HELLO[:-1], DONE], id="done-alone"),
    ],
)
def test_a_stream_without_its_end_is_truncated(events: list[Any]):
    """Whatever else came, and however politely it ends."""
    played = run(events)
    assert played.error.__class__ is TruncatedStreamError


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([said("Hel", finish="STOP"), said("lo", finish="STOP")], id="stop-on-each"),
        pytest.param([said(finish="STOP"), said("Hello"), said(finish="STOP")], id="stop-before-and-behind"),
        pytest.param([*HELLO, chunk(**counts(9, 2))], id="counts-behind"),
        pytest.param([*HELLO, said(groundingMetadata={"webSearchQueries": ["x"]})], id="sources-behind"),
        pytest.param([*HELLO, DONE], id="done-behind"),
        pytest.param([said("Hello", finish=1)], id="a-number"),
        pytest.param([("", [*(event for _, event in HELLO)])], id="in-a-list"),
        pytest.param([("message_start", HELLO[0][1]), ("x", HELLO[1][1]), HELLO[2]], id="foreign-names"),
    ],
)
def test_what_comes_behind_a_finish_still_counts(events: list[Any]):
    """Content too: only the end of the body ends the stream."""
    played = run(events)
    assert (played.error, text(played)) == (None, "Hello")
    assert len(played.events) == len([event for event in events if event is not DONE])


@pytest.mark.parametrize(
    "reason",
    ["SAFETY", "RECITATION", "MAX_TOKENS", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "NEW_REASON"],
)
def test_an_answer_that_ends_for_another_reason_is_complete(reason: str):
    """Also one without a word. The summary has the reason."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=sse(said(finish=reason)))], clock)
    with (
        Client([], dialect="gemini", transport=transport, clock=clock) as client,
        client.stream("POST", STREAM, json={}) as stream,
    ):
        assert len(list(stream)) == 1
    assert stream.outcome is not None
    assert stream.call.summary.finish_reasons == (reason,)
    assert (stream.call.summary.id, stream.call.summary.model) == ("resp-1", "gemini-test")


def test_a_blocked_prompt_is_a_complete_answer():
    """It has no candidates."""
    played = run([chunk(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}, **counts(9))])
    assert (played.error, len(played.events), played.usage) == (None, 1, Usage(input_tokens=9))


def test_the_end_can_be_the_proof():
    """For servers without finish reasons; nothing at all is still no answer."""
    lax = Gemini(proof="end")
    assert run(HELLO[:-1], dialect=lax).error is None
    assert run([*HELLO[:-1], DONE], dialect=lax).error is None
    assert run([chunk(**counts(9))], dialect=lax).error.__class__ is TruncatedStreamError
    with pytest.raises(ConfigurationError, match="proof"):
        Gemini(proof="none")  # type: ignore[arg-type]


def test_a_socket_that_stays_open_behind_the_finish_runs_into_idle():
    """An error may still come, so a finishReason is no end."""
    played = run(Answer(body=[sse(*HELLO), STALL]), timeouts=Timeouts(idle=20, quiet=300))
    assert (played.failure.__class__, played.failure.timeout, played.elapsed) == (TimeoutError, "idle", 20)
    assert (text(played), played.failure.delivered) == ("Hello", True)


def test_done_ends_a_socket_that_stays_open():
    """Proxies in front of the API send it, and nothing behind it is read."""
    assert run(Answer(body=[sse(*HELLO, DONE), STALL])).error is None


@pytest.mark.parametrize(
    "beat",
    [
        b": ping\n\n",
        b"\n\n",
        sse(""),
        sse("keepalive"),
        sse("{}"),
        sse("null"),
        sse("[]"),
        sse(chunk()),
        sse(("", {"candidates": []})),
        sse(said("")),
        sse(said(safetyRatings=[])),
        sse(chunk(candidate({}), **counts(9))),
        sse(("heartbeat", {"type": "heartbeat"})),
    ],
)
def test_keepalives_are_no_progress(beat: bytes):
    """They are all that comes from a server that is stuck, before the first content and after it."""
    played = run(Answer(body=[sse(HELLO[0]), *([5.0, beat] * 20)]), timeouts=Timeouts(idle=20))
    assert (played.failure.timeout, played.elapsed) == ("idle", 20)
    assert text(played) == "Hel"
    first = run(Answer(body=[5.0, beat] * 20), timeouts=Timeouts(first_event=20))
    assert (first.failure.timeout, first.events) == ("first_event", [])


def test_a_finish_that_is_repeated_is_no_progress():
    """A proxy may put it into each of its empty chunks."""
    body = [sse(HELLO[0], STOP), *([5.0, sse(STOP)] * 20)]
    assert run(Answer(body=body), timeouts=Timeouts(idle=20)).elapsed == 20


@pytest.mark.parametrize(
    ("part", "quiet"),
    [
        pytest.param(THOUGHT, True, id="thought"),
        pytest.param(CALL, True, id="call"),
        pytest.param({"executableCode": {"language": "PYTHON", "code": "1"}}, True, id="code"),
        pytest.param({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}, False, id="result"),
        pytest.param("text", False, id="text"),
        pytest.param({"inlineData": {"mimeType": "image/png", "data": "AA=="}}, False, id="image"),
    ],
)
def test_silence_is_normal_while_the_model_is_at_work(part: Any, quiet: bool):
    """Until the candidate is finished."""
    script = Answer(body=[sse(said(part)), 30.0, sse(said("x")), sse(STOP)])
    played = run(script, timeouts=Timeouts(idle=20, quiet=40))
    assert (played.error is None) == quiet
    finished = run(Answer(body=[sse(said(part), STOP), 30.0]), timeouts=Timeouts(idle=20, quiet=40))
    assert finished.failure.timeout == "idle"


def test_several_candidates_are_told_apart_by_their_index():
    """The text is that of the lowest, and each needs its finishReason."""
    asked = {"generationConfig": {"candidateCount": 2}}
    first = [chunk(candidate("No", index=1)), chunk(candidate("Hel"))]
    rest = [chunk(candidate("pe", index=1, finish="STOP")), chunk(candidate("lo", finish="STOP"))]
    whole = run([*first, *rest], json=asked)
    assert whole.error is None
    assert run([*first, rest[0]], json=asked).error.__class__ is TruncatedStreamError
    together = [chunk(candidate("No", index=1), candidate("Hello", finish="STOP"))]
    assert run(together).error.__class__ is TruncatedStreamError
    played = run([*together, chunk(candidate(index=1, finish="MAX_TOKENS"))])
    assert (played.error, text(played)) == (None, "Hello")


@pytest.mark.parametrize("asked", [{"candidateCount": 2}, {"candidate_count": 2}, {"candidateCount": 1}])
def test_the_text_of_a_request_for_several_is_that_of_the_first(asked: dict[str, Any]):
    """With one candidate its index means nothing: proxies count chunks in it."""
    clock = FakeClock()
    events = [chunk(candidate("No", index=3)), chunk(candidate("Hello", index="0", finish="STOP")), said(finish="STOP")]
    end = chunk(candidate(index=3, finish="STOP"))
    transport = ScriptedTransport([Answer(body=sse(*events, end))], clock)
    with (
        Client([], dialect="gemini", transport=transport, clock=clock) as client,
        client.stream("POST", STREAM, json={"generation_config": asked}) as stream,
    ):
        found = "".join(stream.text())
    assert found == ("NoHello" if asked == {"candidateCount": 1} else "Hello")


def test_chunks_without_alt_sse_name_what_is_missing():
    """The API answers with one list of chunks."""
    body = b"[%b]" % b",\r\n".join(event.removeprefix(b"data: ").strip() for event in written(*HELLO))
    played = run(Answer(headers={"content-type": "application/json; charset=UTF-8"}, body=body))
    assert played.error.__class__ is ContentTypeError
    assert "alt=sse" in str(played.error)


def test_an_error_in_a_list_is_found():
    """That is how the API tells a failure of a request without alt=sse."""
    headers = {"content-type": "application/json"}
    body = b"[%b]" % sse(OVERLOADED).removeprefix(b"data: ").strip()
    played = run(Answer(headers=headers, body=body), HELLO)
    assert (played.error, played.attempts) == (None, 2)
    assert played.history[0].error == "OverloadedError"


def test_a_chunk_cut_in_two_is_content_that_cannot_be_read():
    """Its events come, and its text raises."""
    played = run([("", '{"candidates":[{"content"'), *HELLO])
    assert played.error is None
    with pytest.raises(Exception, match="not JSON"):
        text(played)
