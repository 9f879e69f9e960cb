"""What the official SDKs make of each row: the class of the error, its id, and whether and when they try again."""

import time

import anthropic
import openai
import pytest

import unbroken
from unbroken_anthropic import Anthropic
from unbroken_gateway.replies import errors
from unbroken_gateway.replies.answers import in_band, render
from unbroken_openai import OpenAI

from .kit import table
from .sdks import call, read
from .test_frames import STREAMS

ROWS = table()
OPENAI = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
    504: openai.InternalServerError,
    529: openai.InternalServerError,
}
ANTHROPIC = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    409: anthropic.ConflictError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    502: anthropic.InternalServerError,
    503: anthropic.InternalServerError,
    504: anthropic.InternalServerError,
    529: anthropic.InternalServerError,
}
# What Unbroken's own client makes of a row, by its public error; others are ValidationError.
OURS = {
    401: unbroken.AuthenticationError,
    402: unbroken.QuotaExceededError,
    403: unbroken.AuthenticationError,
    429: unbroken.RateLimitError,
    500: unbroken.ServerError,
    502: unbroken.ServerError,
    503: unbroken.ServerError,
    504: unbroken.ServerError,
    529: unbroken.OverloadedError,
}
# Where the type of the Messages API says another thing than the code of OpenAI.
BY_TYPE = {
    ("messages", "unavailable"): unbroken.OverloadedError,
}


@pytest.mark.parametrize("name", ROWS)
def test_anthropic_raises_the_class_of_the_row(name):
    error, asked = call("messages", render(ROWS[name], "anthropic", "req_1"))
    assert isinstance(error, ANTHROPIC.get(ROWS[name].status, anthropic.APIStatusError))
    assert error.status_code == ROWS[name].status
    assert error.request_id == "req_1"
    assert error.body == {
        "type": "error",
        "error": {"type": ROWS[name].anthropic, "message": ROWS[name].message},
        "request_id": "req_1",
    }
    assert asked == 1


@pytest.mark.parametrize("form", ["chat", "responses"])
@pytest.mark.parametrize("name", ROWS)
def test_openai_raises_the_class_of_the_row(name, form):
    error, asked = call(form, render(ROWS[name], "openai", "req_1"))
    assert isinstance(error, OPENAI.get(ROWS[name].status, openai.APIStatusError))
    assert error.request_id == "req_1"
    assert error.code == ROWS[name].openai
    assert ROWS[name].message in error.message
    assert asked == 1


@pytest.mark.parametrize("form", ["messages", "chat", "responses"])
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.should_retry is False])
def test_sdks_do_not_try_again_what_was_tried_or_cannot_succeed(name, form):
    answer = render(ROWS[name], "anthropic" if form == "messages" else "openai", "req_1")
    assert call(form, answer, retries=2)[1] == 1


@pytest.mark.parametrize("form", ["messages", "chat", "responses"])
@pytest.mark.parametrize("problem", [errors.user_limit(1.2345), errors.unavailable(1.2345)], ids=lambda row: row.name)
def test_r28_sdks_wait_as_long_as_they_are_told_and_try_again(problem, form, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    answer = render(problem, "anthropic" if form == "messages" else "openai", "req_1")
    events, asked = call(form, answer, (200, [(b"content-type", b"text/event-stream")], STREAMS[form]), retries=2)
    assert (len(events) > 0, asked, slept) == (True, 2, [1.235])


@pytest.mark.parametrize("name", ROWS)
def test_r13_anthropic_raises_an_error_in_the_stream(name):
    error = read("messages", in_band(ROWS[name], "messages", "req_1"))
    assert isinstance(error, anthropic.APIStatusError)
    assert error.type == ROWS[name].anthropic
    assert error.body["request_id"] == "req_1"


@pytest.mark.parametrize("form", ["chat", "responses"])
@pytest.mark.parametrize("name", ROWS)
def test_r13_openai_raises_an_error_in_the_stream(name, form):
    error = read(form, in_band(ROWS[name], form, "req_1"))
    assert isinstance(error, openai.APIError)
    assert (error.code, error.message) == (ROWS[name].openai, ROWS[name].message)


@pytest.mark.parametrize("form", ["messages", "chat", "responses"])
def test_r13_an_error_after_events_is_raised_and_has_no_terminator(form):
    cut = STREAMS[form][: STREAMS[form].index(b"\n\n") + 2]
    frame = in_band(errors.upstream_error(), form, "req_1")
    assert b"[DONE]" not in frame
    assert isinstance(read(form, cut + frame), anthropic.APIError | openai.APIError)


@pytest.mark.parametrize("form", ["messages", "chat", "responses"])
@pytest.mark.parametrize("name", ROWS)
def test_unbroken_itself_reads_the_class_of_the_row(name, form):
    row, dialect = ROWS[name], Anthropic() if form == "messages" else OpenAI()
    status, fields, body = render(row, "anthropic" if form == "messages" else "openai", "req_1")
    headers = unbroken.Headers([(key.decode(), value.decode()) for key, value in fields])
    expected = BY_TYPE.get((form, row.name)) or OURS.get(row.status, unbroken.ValidationError)
    told = dialect.error_from_response(unbroken.Response(status_code=status, headers=headers), body)
    assert type(told) is expected
    assert told.should_retry is row.should_retry
    (event,) = unbroken.sse.SSEDecoder().feed(in_band(row, form, "req_1"))
    assert type(dialect.error_from_event(event)) is expected
