"""Every fault in every format: the same words, the same cut, and in between what a client of that API may meet."""

import base64
import hashlib
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from unbroken_faults import Fault, FaultServer, faults

SSE = "text/event-stream; charset=utf-8"
FRAMES = "application/vnd.amazon.eventstream"
QUESTION = {"model": "m", "messages": [], "contents": []}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "_meta": {"progressToken": "p"}}}


def server_sent(body: bytes) -> list[Any]:
    blocks = body.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]
    data = [line[6:] for block in blocks for line in block.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(each) for each in data if each]


def array(body: bytes) -> list[Any]:
    """Return the elements so far of an array that may be cut between two of them."""
    text = body.decode()
    return json.loads(text if text.endswith("]") else (text.rstrip(" ,\r\n") or "[") + "]")


def lines(body: bytes) -> list[Any]:
    assert body.endswith(b"\n") or not body
    return [json.loads(line) for line in body.split(b"\n") if line]


def frames(body: bytes) -> list[tuple[dict[str, str], bytes]]:
    """Return headers and payload of each frame, whose checksums must be right."""
    found = []
    while body:
        total, size, check = struct.unpack(">III", body[:12])
        assert check == zlib.crc32(body[:8])
        assert struct.unpack(">I", body[total - 4 : total])[0] == zlib.crc32(body[: total - 4])
        headers, rest = {}, body[12 : 12 + size]
        while rest:
            end = 1 + rest[0]
            kind, length = struct.unpack(">BH", rest[end : end + 3])
            assert kind == 7
            headers[rest[1:end].decode()] = rest[end + 3 : end + 3 + length].decode()
            rest = rest[end + 3 + length :]
        found.append((headers, body[12 + size : total - 4]))
        body = body[total:]
    return found


def chunks(body: bytes) -> list[Any]:
    return [
        json.loads(base64.b64decode(json.loads(payload)["bytes"])) if headers.get(":event-type") == "chunk" else headers
        for headers, payload in frames(body)
    ]


def converse(body: bytes) -> list[Any]:
    return [
        {headers.get(":event-type", "exception"): json.loads(payload or b"{}"), **headers}
        for headers, payload in frames(body)
    ]


def part(event: Any) -> str:
    candidates = event.get("candidates") or [{"content": {"parts": [{"text": ""}]}}]
    return "".join(each["text"] for each in candidates[0]["content"]["parts"])


@attrs.frozen
class API:
    """How to ask an API for a stream, and how to read it."""

    path: str
    content_type: str
    events: Callable[[bytes], list[Any]]
    text: Callable[[Any], str]
    error: Callable[[Any], object] = lambda event: event["error"]["message"]
    body: dict[str, Any] = QUESTION
    extra: str = ""

    def said(self, body: bytes) -> str:
        return "".join(self.text(event) for event in self.events(body))


APIS = {
    "gemini": API("/v1beta/models/g:streamGenerateContent?alt=sse", SSE, server_sent, part),
    "gemini-array": API("/v1beta/models/g:streamGenerateContent", "application/json; charset=UTF-8", array, part),
    "ollama-chat": API(
        "/api/chat",
        "application/x-ndjson",
        lines,
        lambda line: line["message"]["content"] if "message" in line else "",
        lambda line: line["error"],
    ),
    "ollama-generate": API(
        "/api/generate",
        "application/x-ndjson",
        lines,
        lambda line: line.get("response", ""),
        lambda line: line["error"],
    ),
    "converse": API(
        "/model/anthropic.c-v1%3A0/converse-stream",
        FRAMES,
        converse,
        lambda event: event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""),
        lambda event: event["exception"]["message"],
    ),
    "invoke": API(
        "/model/anthropic.c-v1%3A0/invoke-with-response-stream",
        FRAMES,
        chunks,
        lambda event: event.get("delta", {}).get("text", ""),
        lambda event: event[":exception-type"],
    ),
    "mcp": API(
        "/mcp",
        SSE,
        server_sent,
        lambda event: event.get("params", {}).get("message", ""),
        body=CALL,
        extra="Accept: application/json, text/event-stream\r\n",
    ),
}
every_api = pytest.mark.parametrize("api", [pytest.param(api, id=name) for name, api in APIS.items()])


@pytest.fixture
def stream(ask):
    """Ask for a stream and see the answer."""
    return lambda server, api, **more: ask(server, path=api.path, body=api.body, extra=api.extra, **more)


@every_api
@pytest.mark.parametrize("words", [None, "", "  two  words \n", "ein Wörtchen\u2028"])
def test_text_arrives_unchanged(stream, api, words):
    """In the content type of the API."""
    with FaultServer([Fault(text=words)], seed=3) as server:
        seen = stream(server, api)
        (reply,) = server.replies
    assert (seen.status, seen.header("content-type"), seen.ending) == (200, api.content_type, "complete")
    assert api.said(seen.body) == reply.text
    assert words is None or reply.text == words


@every_api
@pytest.mark.parametrize("after", [0, 3, 4, 5, 9])
def test_the_same_seed_says_the_same_until_the_same_cut(ask, stream, api, after):
    """As in Messages: three events are preamble, whether this API has any or not."""
    with FaultServer(default=faults.cut(after=after), seed=3) as server:
        messages = ask(server)
        server.reset()
        seen = stream(server, api)
    assert api.said(seen.body) == messages.text
    assert len(messages.text.split()) == max(0, after - 3)


@every_api
def test_without_its_terminal_event_the_text_is_whole(stream, api):
    """And nothing but the last event is missing."""
    with FaultServer(default=Fault(text="Hi there.")) as server:
        whole = api.events(stream(server, api).body)
        server.reset()
        server.push(attrs.evolve(faults.omit_terminal(), text="Hi there."))
        assert api.events(stream(server, api).body) == whole[:-1]


@every_api
def test_one_event_twice(stream, api):
    """The first with text."""
    with FaultServer([attrs.evolve(faults.duplicate(), text="Hi there.")]) as server:
        seen = stream(server, api)
    assert api.said(seen.body) == "HiHi there."


@every_api
@pytest.mark.parametrize("after", [0, 5])
def test_an_error_in_the_stream(stream, api, after):
    """It is the last event, and a client can read it."""
    fault = Fault(error="modelStreamErrorException", after=after, then="end", message="modelStreamErrorException")
    with FaultServer([fault]) as server:
        seen = stream(server, api)
    *before, last = api.events(seen.body)
    assert (seen.status, seen.ending) == (200, "complete")
    assert api.error(last) == "modelStreamErrorException"
    assert len(before) >= (after and 2)


@every_api
@pytest.mark.parametrize("fault", [faults.pings(interval=0), faults.comments(interval=0)], ids=["pings", "comments"])
def test_keep_alives_say_nothing(stream, api, fault):
    """A client that knows the format passes over each of them."""
    with FaultServer([attrs.evolve(fault, times=5, then="end")], seed=3) as server:
        seen = stream(server, api)
        text = server.replies[0].text
    assert api.said(seen.body) == "".join(text.partition(" ")[:2]) + text.split(" ")[1]


@every_api
def test_garbage_is_an_event_of_the_api_with_invalid_json(stream, api):
    """The events around it are whole."""
    with FaultServer([faults.garbage()]) as server:
        seen = stream(server, api)
    assert seen.ending == "complete"
    with pytest.raises(ValueError, match=r"Expecting|delimiter|value"):
        api.events(seen.body)


@every_api
@pytest.mark.parametrize("name", ["endless_line", "endless_data", "endless_comment"])
def test_what_never_ends_is_never_an_event(stream, api, name):
    """Its beginning is one of this format."""
    with FaultServer([faults.CATALOGUE[name]()]) as server:
        seen = stream(server, api, limit=300_000)
    assert (seen.status, seen.ending) == (200, "")
    if api.content_type == FRAMES:
        length, headers, check = struct.unpack(">III", seen.body[:12])
        assert (length, check) == (0xFFFFFFFF, zlib.crc32(seen.body[:8]))
        assert headers < 200 or name == "endless_line"
    elif api.content_type != SSE:
        assert b"\n" not in seen.body


@pytest.mark.parametrize("name", sorted(faults.CATALOGUE.keys() - {"silence"}))
def test_each_fault_of_the_catalogue_is_answered(connect, name):
    """With bytes, or by a closed connection where that is the fault."""
    own = {"early_hints": {"times": 1}, "huge_error": {"size": 100_000}, "gzip_bomb": {"size": 1_000_000}}
    with FaultServer(default=faults.CATALOGUE[name](**own.get(name, {}))) as server:
        for api in APIS.values():
            client = connect(server)
            client.send(path=api.path, body=api.body, extra=api.extra)
            try:
                first = client.socket.recv(1)
            except ConnectionResetError:
                first = b""
            client.socket.close()
            assert bool(first) == (name not in {"reset", "hang_up"})


@every_api
def test_a_close_within_a_chunk_is_within_an_event(stream, api):
    """Which has begun as events of this format do."""
    with FaultServer([faults.truncate()]) as server:
        seen = stream(server, api)
    head, _, begun = seen.raw.rpartition(b"\r\n400\r\n")
    assert (bool(head), len(begun), seen.ending) == (True, 7, "eof")


@every_api
def test_json_instead_of_a_stream(stream, api):
    """An error object of this API under a good status; a body of one's own is sent as it is."""
    with FaultServer([faults.json_error(), Fault(body=b"{}")]) as server:
        seen, own = (stream(server, api) for _ in range(2))
    assert list(json.loads(seen.body)) != ["type", "error"]
    assert b'"Said with a 200"' in seen.body
    assert (own.body, own.header("content-type")) == (b"{}", "application/json")


@every_api
@pytest.mark.parametrize("body", [[], "x", {"model": "\ud800", "stream": []}, {"method": 1, "id": True, "params": "x"}])
def test_any_json_is_answered(ask, api, body):
    """Also what is no request of the API."""
    with FaultServer() as server:
        assert ask(server, path=api.path, body=body).status in {200, 202, 400}


@pytest.mark.parametrize("name", sorted(APIS.keys() - {"mcp"}))
def test_other_methods_are_refused(ask, name):
    """With an error that is the API's own."""
    with FaultServer() as server:
        seen = ask(server, path=APIS[name].path, method="PUT")
    assert (seen.status, "anthropic-ratelimit-requests-limit" in dict(seen.headers)) == (404, False)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("gemini", "8f0f27d0f2e8945e"),
        ("gemini-array", "ba27eb44abd0e099"),
        ("ollama-chat", "5024699212e20ba7"),
        ("ollama-generate", "6ec4308aac74f640"),
        ("converse", "f573022d83d4944c"),
        ("invoke", "8ce0623911b78837"),
        ("mcp", "48f2f56691c2667d"),
    ],
)
def test_the_same_seed_gives_the_same_bytes(stream, name, digest):
    """Recorded, so that they are those of every other machine too."""
    script = (Fault(), faults.sliced(), faults.rate_limited(retry_after=1), faults.cut(after=4), faults.error_after())
    with FaultServer(script, seed=7) as server:
        raw = b"".join(stream(server, APIS[name]).raw for _ in script)
    assert hashlib.sha256(raw).hexdigest()[:16] == digest
