"""`protect` under ollama, of any supported version."""

import asyncio
import json

import httpx
import pytest

from unbroken.testing import Answer

from .kit import MESSAGES, under

ollama = pytest.importorskip("ollama")
ASK = {"model": "m", "messages": MESSAGES}
NDJSON = {"content-type": "application/x-ndjson"}
FULL = b'{"error": "server busy, please try again."}\n'


def line(text, **more):
    said = {"model": "m", "message": {"role": "assistant", "content": text}, "done": False} | more
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


END = line("", done=True, done_reason="stop")


def client(*answers, requests=None):
    return under(ollama.Client(host="http://ollama.example"), *answers, requests=requests)


def stream(*lines):
    return Answer(headers=NDJSON, body=b"".join(lines))


def said(protected):
    return "".join(part["message"]["content"] for part in protected.chat(stream=True, **ASK))


async def asaid(protected):
    return "".join([part["message"]["content"] async for part in await protected.chat(stream=True, **ASK)])


def alone(*lines):
    """The text that it gets without Unbroken."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, headers=NDJSON, content=b"".join(lines)))
    return said(ollama.Client(host="http://ollama.example", transport=transport))


def test_plain_answers_and_streams():
    original = ollama.Client()
    protected = under(original, 503, "one", 503, "two", 503, "three")
    assert type(protected) is type(original)
    assert protected is not original
    assert protected.chat(**ASK)["message"]["content"] == "one"
    assert said(protected) == "two"
    assert protected.generate(model="m", prompt="hi")["response"] == "three"


def test_async():
    async def ask():
        protected = under(ollama.AsyncClient(), 503, "one", 503, "two")
        return (await protected.chat(**ASK))["message"]["content"], await asaid(protected)

    assert asyncio.run(ask()) == ("one", "two")


def test_a_polite_cut_is_an_error():
    """Alone it is half an answer that looks whole."""
    assert alone(line("Half")) == "Half"
    with pytest.raises(ollama.ResponseError, match="before the stream was complete"):
        said(client(stream(line("Half"))))
    assert said(client(stream(), stream(line("Whole."), END))) == "Whole."


@pytest.mark.parametrize("beside", [b"\n", b"\r\n\n"], ids=["blank", "blanks"])
def test_keep_alives_do_not_kill_it(beside):
    """Alone it takes a blank line for JSON."""
    lines = [line("Who"), beside, line("le."), END]
    with pytest.raises(json.JSONDecodeError):
        alone(*lines)
    assert said(client(stream(*lines))) == "Whole."


def test_separators_of_unicode_stay_in_the_text():
    """Alone it ends a line at each of them."""
    with pytest.raises(json.JSONDecodeError):
        alone(line("a\u2028b\u0085c"), END)
    assert said(client(stream(line("a\u2028b\u0085c"), END))) == "a\u2028b\u0085c"


def test_an_error_before_the_content_is_retried():
    assert said(client(stream(FULL), "one")) == "one"
    with pytest.raises(ollama.ResponseError, match="server busy") as caught:
        said(client(*[stream(FULL)] * 9))
    assert caught.value.status_code >= 500


def test_an_error_behind_the_content_is_the_sdks_own():
    sent = []
    with pytest.raises(ollama.ResponseError, match="server busy"):
        said(client(stream(line("Half"), FULL), requests=sent))
    assert len(sent) == 1


def test_failures_are_the_sdks_own():
    with pytest.raises(ollama.ResponseError) as caught:
        client(401).chat(**ASK)
    assert caught.value.status_code == 401
    with pytest.raises(httpx.ReadError, match="ConnectionResetError"):
        client(*[ConnectionResetError()] * 9).chat(**ASK)


def test_jobs_and_other_calls():
    status = [json.dumps({"status": status}).encode() + b"\n" for status in ("pulling manifest", "writing", "success")]
    protected = client(stream(*status[:1]), stream(*status))
    assert [part["status"] for part in protected.pull("m", stream=True)][-1] == "success"
    with pytest.raises(ollama.ResponseError, match="before the stream was complete"):
        list(client(stream(*status[:2])).pull("m", stream=True))
    listed = Answer(headers={"content-type": "application/json"}, body=b'{"models": []}')
    assert list(client(503, listed).list()["models"]) == []


def test_host_and_headers_stay():
    sent = []
    original = ollama.Client(host="http://ollama.example:80/p", headers={"x-team": "a"})
    said(under(original, "one", requests=sent))
    assert sent[0].url == "http://ollama.example/p/api/chat"
    assert sent[0].headers["x-team"] == "a"
