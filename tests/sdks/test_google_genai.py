"""`protect` under google-genai, of any supported version."""

import asyncio
import json

import pytest

from unbroken import ConfigurationError
from unbroken.testing import Answer, sse
from unbroken_retry import Retry
from unbroken_sdk import protect
from unbroken_sdk.testing import scripted

from .kit import under

genai = pytest.importorskip("google.genai")
errors = pytest.importorskip("google.genai.errors")
api_client = pytest.importorskip("google.genai._api_client")
ASK = {"model": "gemini-x", "contents": "hi"}
OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
COMMENT = b": ping\n\n"
READS_ERRORS = not genai.version.__version__.startswith("1.")


def chunk(text, reason=None):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return sse(("", {"candidates": [candidate | ({"finishReason": reason} if reason else {})]}))


WHOLE = chunk("Who") + chunk("le.", "STOP")


def made(**options):
    return genai.Client(api_key="k", **options)


def client(*answers, requests=None):
    return under(made(), *answers, requests=requests)


def said(protected):
    return "".join(piece.text or "" for piece in protected.models.generate_content_stream(**ASK))


async def asaid(protected):
    return "".join([piece.text or "" async for piece in await protected.aio.models.generate_content_stream(**ASK)])


def reads(library, body, plugins=()):
    """The text that the client gets over a transport of `library` that has `body` alone."""
    module = pytest.importorskip(library)
    answer = module.MockTransport(lambda request: module.Response(200, content=body))
    http = module.Client(transport=answer)
    bare = made()
    bare._api_client._httpx_client = http
    return said(protect(bare, [*plugins]) if plugins else bare)


@pytest.fixture
def library():
    """The library that this version stands on."""
    return next(
        base.__module__.partition(".")[0]
        for base in type(made()._api_client._httpx_client).__mro__
        if base.__module__.startswith("httpx")
    )


def test_plain_answers_and_streams():
    original = made()
    protected = under(original, 503, "one", 503, "two")
    assert protected is original
    assert protected.models.generate_content(**ASK).text == "one"
    assert said(protected) == "two"


def test_async():
    async def ask():
        protected = client(503, "one", 503, "two")
        return (await protected.aio.models.generate_content(**ASK)).text, await asaid(protected)

    assert asyncio.run(ask()) == ("one", "two")


def test_one_client_in_several_event_loops():
    protected = client("one", "two")
    assert [asyncio.run(asaid(protected)), asyncio.run(asaid(protected))] == ["one", "two"]


def test_a_polite_cut_is_an_error(library):
    """Alone it is half an answer that looks whole."""
    assert reads(library, chunk("Half")) == "Half"
    with pytest.raises(Exception, match="before the stream was complete") as caught:
        said(client(Answer(body=chunk("Half"))))
    assert isinstance(caught.value, errors.APIError) is READS_ERRORS


@pytest.mark.parametrize(
    "beside",
    [COMMENT, b"retry: 10\n\n", b"id: 7\n", b"event: message\n", b"data: [DONE]\n\n"],
    ids=["comment", "retry", "id", "event", "done"],
)
def test_what_an_event_stream_may_have_does_not_kill_it(library, beside):
    """Alone it takes any line without ``data: `` for JSON."""
    parts = [chunk("Who"), chunk("le.", "STOP")]
    body = (parts[0] + parts[1] + beside) if b"DONE" in beside else parts[0] + beside + parts[1]
    with pytest.raises(Exception, match=r"JSON|Expecting value"):
        reads(library, body)
    assert said(client(Answer(body=body))) == "Whole."
    assert asyncio.run(asaid(client(Answer(body=body)))) == "Whole."


def test_separators_of_unicode_stay_in_the_text():
    text = "a\u2028b\u2029c\u0085d"
    whole = {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]}
    assert said(client(Answer(body=b"data: " + json.dumps(whole, ensure_ascii=False).encode() + b"\n\n"))) == text


def test_an_error_before_the_content_is_retried():
    assert said(client(Answer(body=sse(("", OVERLOADED))), "one")) == "one"
    with pytest.raises(errors.ServerError, match="overloaded"):
        said(client(*[Answer(body=sse(("", OVERLOADED)))] * 9))


@pytest.mark.parametrize("told", [OVERLOADED, {"error": {"message": "overloaded"}}], ids=["documented", "without code"])
def test_an_error_behind_the_content_is_the_sdks_own(told):
    sent = []
    protected = client(Answer(body=chunk("Half") + COMMENT + sse(("error", told))), requests=sent)
    with pytest.raises(Exception, match="overloaded") as caught:
        said(protected)
    assert isinstance(caught.value, errors.ServerError) is READS_ERRORS
    assert len(sent) == 1


def test_failures_are_the_sdks_own():
    protected = client(401)  # kept: one that is dropped closes its HTTP client
    with pytest.raises(errors.ClientError, match="401"):
        protected.models.generate_content(**ASK)
    with pytest.raises(errors.ClientError, match="401"):
        said(client(401))
    protected = client(*[ConnectionResetError()] * 9)
    with pytest.raises(Exception, match="ConnectionResetError") as caught:
        protected.models.generate_content(**ASK)
    assert type(caught.value).__module__.startswith("httpx")


def test_its_own_retries_are_switched_off():
    options = getattr(genai.types, "HttpRetryOptions", None)
    if options is None:
        pytest.skip("this version has none")
    sent = []
    http = genai.types.HttpOptions(retry_options=options(attempts=4, initial_delay=0.0))
    protected = scripted(made(http_options=http), [503] * 9, [], requests=sent)
    with pytest.raises(errors.ServerError):
        protected.models.generate_content(**ASK)
    assert len(sent) == 1


def test_credentials_and_settings_stay():
    sent = []
    http = genai.types.HttpOptions(headers={"x-team": "a"}, base_url="https://gemini.example/p", api_version="v1")
    said(under(made(http_options=http), "one", requests=sent))
    assert sent[0].url == "https://gemini.example/p/v1/models/gemini-x:streamGenerateContent?alt=sse"
    assert (sent[0].headers["x-goog-api-key"], sent[0].headers["x-team"]) == ("k", "a")
    sent.clear()
    vertex = genai.Client(vertexai=True, api_key="k")
    assert said(under(vertex, "one", requests=sent)) == "one"
    assert "aiplatform.googleapis.com/" in sent[0].url


def test_other_calls():
    counted = Answer(headers={"content-type": "application/json"}, body=b'{"totalTokens": 3}')
    failed = b'{"name": "files/a", "state": "FAILED", "error": {"code": 3, "message": "no"}}'
    protected = client(503, counted, Answer(headers={"content-type": "application/json"}, body=failed))
    assert protected.models.count_tokens(**ASK).total_tokens == 3
    assert protected.files.get(name="files/a").error.message == "no"


def test_files_can_be_uploaded(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("text")
    place = {"x-goog-upload-url": "https://upload.example/x", "x-goog-upload-status": "active"}
    begun = Answer(headers={"content-type": "application/json", "content-length": "0"} | place, body=b"")
    ended = {"content-type": "application/json", "x-goog-upload-status": "final"}
    done = Answer(headers=ended, body=b'{"file": {"name": "files/a"}}')
    protected = client(503, begun, 503, done)
    assert protected.files.upload(file=str(file)).name == "files/a"


def test_aiohttp_gives_way(monkeypatch):
    if not READS_ERRORS:
        pytest.skip("it uses the name of the package without it")
    monkeypatch.setattr(api_client, "has_aiohttp", True)
    assert asyncio.run(asaid(client("one"))) == "one"


def test_what_cannot_be_protected_is_refused():
    with pytest.raises(ConfigurationError, match="has Unbroken under it already"):
        under(client("one"))
    if "aiohttp_client" in genai.types.HttpOptions.model_fields:
        original = made()
        original._api_client._http_options.aiohttp_client = object()
        with pytest.raises(ConfigurationError, match="aiohttp_client"):
            under(original)


def test_a_client_certificate_of_google_is_refused(monkeypatch):
    original = made()
    monkeypatch.setattr(type(original._api_client), "_use_google_auth_sync", lambda self: True, raising=False)
    with pytest.raises(ConfigurationError, match="client certificate"):
        under(original)


def test_resources_that_hold_an_http_client_are_made_again():
    original = made()
    if not hasattr(type(original), "interactions"):
        pytest.skip("this version has none")
    before = original.interactions, original.aio.interactions
    protected = under(original, "one")
    assert protected.interactions is not before[0]
    assert protected.aio.interactions is not before[1]


def test_the_long_form(library):
    if "httpx_client" not in genai.types.HttpOptions.model_fields:
        pytest.skip("this version has no such option")
    faces = pytest.importorskip(f"unbroken_sdk.{library}")
    module = pytest.importorskip(library)
    body = chunk("Who") + COMMENT + chunk("le.", "STOP")
    answer = module.MockTransport(lambda request: module.Response(200, content=body))
    inner = protect(module.Client(transport=answer), [Retry()])
    assert isinstance(inner._transport, faces.Transport)
    http = genai.types.HttpOptions(httpx_client=inner, httpx_async_client=faces.AsyncClient([Retry()]))
    assert said(made(http_options=http)) == "Whole."
