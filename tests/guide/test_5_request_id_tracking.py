"""Production Features, 5: Request ID Tracking."""

import re

import pytest

from unbroken import Error


def test_every_event_has_the_id_of_its_request(chat, answer, capsys) -> None:
    """So each line of a log leads to the request."""
    handler = chat.handler([answer("Hello there"), answer()], proxy=True)
    for event in chat.events(handler, {"messages": []}):
        print(f"[{event.request_id}] Event: {event['type']}")
    lines = capsys.readouterr().out.splitlines()
    ids, types = zip(*(re.fullmatch(r"\[(req_\w+)\] Event: (\w+)", line).groups() for line in lines), strict=True)
    assert set(ids) == {chat.requests[0].headers["x-request-id"]}
    assert (types[0], types[-1]) == ("message_start", "message_stop")
    again = {event.request_id for event in chat.events(handler, {"messages": []})}
    assert again.isdisjoint(ids)


def test_errors_have_it_too(chat, failed, capsys) -> None:
    """And the request that the server saw had the same."""
    handler = chat.handler([failed(400, "invalid_request_error", "messages: at least one")], proxy=True)
    try:
        chat.events(handler, {"messages": []})
    except Error as error:
        print(f"Request {error.request_id} failed: {error.message}")
    sent = chat.requests[0].headers["x-request-id"]
    assert capsys.readouterr().out.startswith(f"Request {sent} failed: HTTP 400")


def test_all_attempts_of_a_call_have_the_same(chat, failed, answer) -> None:
    """Also the key by which a backend knows that it is the same request."""
    chat.events(chat.handler([failed(500, "api_error"), answer()], proxy=True), {"messages": []})
    for name in ("x-request-id", "idempotency-key"):
        assert len({request.headers[name] for request in chat.requests}) == 1
    assert len(chat.requests) == 2


@pytest.mark.parametrize("proxy", [True, False], ids=["production", "development"])
def test_a_reply_has_it(chat, answer, proxy) -> None:
    """In both modes."""
    assert chat.send(chat.generator([answer()], proxy=proxy), "Hello").request_id.startswith("req_")
