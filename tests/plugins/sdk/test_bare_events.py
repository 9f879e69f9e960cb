"""What is left of a stream for a client that reads the JSON of its events and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event
from unbroken.framings import NDJSON, SSE
from unbroken_sdk._bare import BareEvents, ignores_errors, reads_bare_events
from unbroken_sdk.testing import scripted

BARE = "google-genai-sdk/3.6.1 gl-python/3.11"
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=9,
)
BESIDE = st.sampled_from([b": ping\n", b": ping\n\n", b"retry: 3\n\n", b"id: 7\n", b"event: e\n", b"data: [DONE]\n\n"])


@given(st.lists(st.tuples(st.lists(BESIDE, max_size=3), st.dictionaries(st.text(), JSONS, max_size=3)), max_size=5))
def test_every_event_is_one_line_of_data_and_nothing_else_is_left(events):
    bare = BareEvents(SSE)
    read = []
    for beside, document in events:
        data = b"data:" + json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"
        lines = bare.of(b"".join(beside) + data).decode().splitlines()  # as those clients split them
        assert lines[1::2] == [""] * len(lines[1::2])
        assert all(line.startswith("data: ") for line in lines[::2])
        read += [json.loads(line[6:]) for line in lines[::2]]
    written = [json.loads(json.dumps(each, ensure_ascii=False).encode("utf-8", "replace")) for _, each in events]
    assert read == written


def test_lines_of_data_are_joined():
    assert BareEvents(SSE).of(b'event: e\ndata: {"a":\ndata: 1}\n\n') == b'data: {"a": 1}\n\n'


def test_blank_lines_between_lines_of_json_are_dropped():
    assert BareEvents(NDJSON).of(b'\n{"a": 1}\n\r\n\n{"b": "\xc2\x85"}\n') == b'{"a": 1}\n{"b": "\\u0085"}\n'


def test_what_is_no_json_is_dropped_and_lists_are_not():
    assert BareEvents(SSE).of(b'data: pong\n\ndata: 1\n\ndata: [{"a": 1}]\n\n') == b'data: [{"a": 1}]\n\n'
    assert BareEvents(SSE).of(SSE.encode(Event(raw=b"[DONE]"))) == b""


@pytest.mark.parametrize(
    ("agent", "bare", "ignoring"),
    [
        (BARE, True, False),
        (f"app/1 {BARE}", True, False),
        ("google-genai-sdk/1.40.0 gl-python/3.11", True, True),
        ("google-genai-sdk/10.0.0", True, False),
        ("ollama-python/0.6.3 (x86_64 linux) Python/3.11", True, False),
        ("anthropic/2", False, False),
    ],
)
def test_such_a_client_is_known_by_its_name(agent, bare, ignoring):
    httpx = pytest.importorskip("httpx")
    request = httpx.Request("POST", "https://example.org", headers={"user-agent": agent})
    assert (reads_bare_events(request), ignores_errors(request)) == (bare, ignoring)


def test_others_get_the_bytes_as_they_came():
    httpx = pytest.importorskip("httpx")
    from unbroken.testing import Answer

    body = b': ping\n\ndata: {"a": 1}\n\n'
    got = {}
    for agent in (BARE, "other/1"):
        client = scripted(httpx.Client(headers={"user-agent": agent}), [Answer(body=body)], [])
        got[agent] = client.get("https://example.org/feed", headers={"accept": "text/event-stream"}).content
    assert got == {BARE: b'data: {"a": 1}\n\n', "other/1": body}


def test_a_byte_order_mark_is_no_part_of_the_first_event():
    """It may stand before a stream, and the first event is handed on without it."""
    assert BareEvents(SSE).of(b'\xef\xbb\xbfdata: {"a": 1}\n\n') == b'data: {"a": 1}\n\n'
