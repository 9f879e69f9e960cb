"""Streams that are not SSE, over real sockets: read by Unbroken, by the vendors' clients, and by one over the other."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import ollama
import pytest
from attrs import define

from unbroken import Client, Usage
from unbroken_retry import Retry
from unbroken_sdk.httpx import Transport

from ..plugins.bedrock.bedrock_frames import AWS, CONVERSE, TALK
from ..plugins.bedrock.bedrock_frames import body as frames
from ..plugins.ollama.ollama_lines import HELLO, NDJSON
from ..plugins.ollama.ollama_lines import body as lines

PIECE = 37
BUSY = {"error": "server busy, please try again.  maximum pending requests exceeded"}
CHAT: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
COUNTS = Usage(input_tokens=9, output_tokens=2, final=True)


@define
class Served:
    url: str
    answers: list[tuple[int, str, bytes]]


@pytest.fixture
def server() -> Iterator[Served]:
    """A server that gives the answers in order, chunked, in pieces that end anywhere."""
    answers: list[tuple[int, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, kind, body = answers.pop(0)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for place in range(0, len(body), PIECE):
                piece = body[place : place + PIECE]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Served(f"http://127.0.0.1:{http.server_port}", answers)
        http.shutdown()
        thread.join()


def test_a_chat_of_ollama(server):
    server.answers += [(503, "application/json", lines(BUSY)), (200, NDJSON, lines(BUSY)), (200, NDJSON, lines(*HELLO))]
    client = Client([Retry(initial_delay=0.01)], dialect="ollama")
    with client, client.stream("POST", f"{server.url}/api/chat", json=CHAT) as stream:
        assert "".join(stream.text()) == "Hello"
    assert (stream.attempts, stream.usage) == (3, COUNTS)


def test_the_client_of_ollama_over_unbroken(server):
    """Failures before the text are not seen; a cut behind it is an error, which that client alone does not notice."""
    server.answers += [(503, "application/json", lines(BUSY)), (200, NDJSON, lines(BUSY)), (200, NDJSON, lines(*HELLO))]
    server.answers += [(200, NDJSON, lines(*HELLO[:1]))] * 2
    with ollama.Client(server.url, transport=Transport([Retry(initial_delay=0.01)])) as client:
        assert "".join(part.message.content for part in client.chat(**CHAT)) == "Hello"
        with pytest.raises(ollama.ResponseError, match="before the stream was complete"):
            list(client.chat(**CHAT))
    with ollama.Client(server.url) as alone:
        assert len(list(alone.chat(**CHAT))) == 1


def test_a_talk_of_bedrock(server):
    """As boto3 reads it."""
    server.answers += [(200, AWS, frames(*TALK))] * 2
    with Client([], dialect="bedrock") as client, client.stream("POST", server.url + CONVERSE, json={}) as stream:
        assert "".join(stream.text()) == "Hello"
    assert stream.usage == COUNTS
    runtime = boto3.session.Session(**KEYS).client("bedrock-runtime", endpoint_url=server.url)
    try:
        events = list(runtime.converse_stream(modelId="m", messages=[])["stream"])
    finally:
        runtime.close()
    assert "".join(event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for event in events) == "Hello"
