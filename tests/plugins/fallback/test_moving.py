"""The request for another target: what it keeps, what it gets, and what never goes along."""

from typing import Any

import attrs
import pytest

from unbroken import Request
from unbroken.messages import Timeouts
from unbroken_fallback import Target
from unbroken_fallback._moving import moved
from unbroken_fallback._slots import slots

from .servers import with_key

KEY = "sk-ant-api03-0123456789abcdef"


def to(target: Target, **request: Any) -> Request:
    """Return a request as it is sent to `target`, with its first key."""
    arguments: dict[str, Any] = {"json": {"model": "large"}, **request}
    url = arguments.pop("url", "https://api.example.org/v1/messages")
    found = moved(Request.build("POST", url, **arguments), slots([target])[1])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://eu.example.net", "https://eu.example.net/v1/messages?beta=true"),
        ("https://eu.example.net/", "https://eu.example.net/v1/messages?beta=true"),
        ("https://eu.example.net:8443", "https://eu.example.net:8443/v1/messages?beta=true"),
        ("https://eu.example.net/llm{path}", "https://eu.example.net/llm/v1/messages?beta=true"),
        ("https://eu.example.net/v2/chat", "https://eu.example.net/v2/chat"),
        ("https://eu.example.net/v2/chat?api-version=1", "https://eu.example.net/v2/chat?api-version=1"),
        ("https://eu.example.net?api-version=1", "https://eu.example.net?api-version=1"),
    ],
)
def test_the_address(url: str, expected: str) -> None:
    """A host takes the path of the request, `{path}` puts a prefix before it, any other URL is the address itself."""
    assert to(Target(url=url), url="https://api.example.org/v1/messages?beta=true").url == expected


@pytest.mark.parametrize(
    ("own", "path"),
    [("/openai/v1/chat", "/v1/chat"), ("/openai", "/openai"), ("/openaiv1/chat", "/openaiv1/chat"), ("/v1", "/v1")],
)
def test_the_prefix_of_the_requests_own_address_stays_there(own: str, path: str) -> None:
    """It is no part of the API, and another server has another one or none."""
    request = Request.build("POST", f"https://api.example.org{own}", json={})
    for url, base in {"https://eu.example.net": "", "https://eu.example.net/llm{path}": "/llm"}.items():
        sent = moved(request, slots([Target(url=url)])[1], "/openai")
        assert sent is not None
        assert sent.url == f"https://eu.example.net{base}{path}"
    small = moved(request, slots([Target(body={"model": "x"})])[1], "/openai")
    assert small is not None
    assert small.url == request.url


def test_without_a_path_the_root_is_asked() -> None:
    """An empty path is ``/`` (RFC 9110 §4.2.3)."""
    assert to(Target(url="https://eu.example.net/llm{path}"), url="https://api.example.org").url.endswith("/llm/")


CREDENTIALS = {
    "Authorization": "Bearer mine",
    "X-Api-Key": "mine",
    "api-key": "mine",
    "x-goog-api-key": "mine",
    "Cookie": "session=mine",
    "X-Custom": KEY,
    "X-Amz-Security-Token": "mine",
}


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize(
    "target",
    [
        Target(url="https://eu.example.net"),
        Target(url="https://api.example.org/v2/messages"),
        Target(url="https://eu.example.net", keys=with_key("theirs")),
        Target(keys=({"x-own-key": "theirs"},)),
        Target(headers={"authorization-2": "theirs"}),
    ],
    ids=["host", "path", "host-and-key", "key", "header"],
)
def test_no_credential_of_the_request_goes_along(name: str, target: Target) -> None:
    """By its name, or by the form of its value: at another address, or beside the target's own."""
    sent = to(target, headers={name: CREDENTIALS[name], "x-plain": "stays"})
    assert "mine" not in str(sent.headers.items_raw)
    assert KEY not in str(sent.headers.items_raw)
    assert sent.headers["x-plain"] == "stays"


def test_another_model_at_the_same_endpoint_uses_the_same_credentials() -> None:
    """They are for this endpoint."""
    sent = to(Target(body={"model": "small"}), headers=CREDENTIALS, url="https://api.example.org/v1?key=mine")
    assert {name: sent.headers[name] for name in CREDENTIALS} == CREDENTIALS
    assert sent.url == "https://api.example.org/v1?key=mine"


@pytest.mark.parametrize(
    "target",
    [Target(url="https://eu.example.net{path}"), Target(url="https://eu.example.net"), Target(keys=with_key("a"))],
    ids=["path", "host", "key"],
)
def test_no_credential_in_the_query_goes_along(target: Target) -> None:
    """Some APIs take the key there."""
    own = f"https://api.example.org/v1/messages?key=mine&alt=sse&access%5Ftoken=mine&x={KEY}&beta=1#part"
    sent = to(target, url=own)
    assert sent.url.partition("/v1")[2] == "/messages?alt=sse&beta=1"


def test_the_fields_of_the_address_and_of_the_body_are_made_anew() -> None:
    """A Host header would name the wrong server, a Content-Length the wrong length."""
    fields = {"host": "api.example.org", "content-length": "17"}
    sent = to(Target(url="https://eu.example.net", body={"model": "x"}), headers=fields)
    assert not {"host", "content-length"} & set(sent.headers)
    assert to(Target(body={"model": "x"}), headers=fields).headers["host"] == "api.example.org"


def test_the_idempotency_key_is_another_one_for_each_target() -> None:
    """A server may refuse one key with two bodies. Retries at the target have the same one."""
    sent = [to(Target(body={"model": "x"}), idempotency_key="id").headers["idempotency-key"] for _ in range(2)]
    assert sent == ["id-1", "id-1"]


def test_the_rest_of_the_body_keeps_its_bytes() -> None:
    """Numbers, spaces and the order of fields are the caller's."""
    content = b'{"temperature": 1.0, "model": "large", "seed": 123456789012345678901234567890, "x": {"a" : [1.50]}}'
    sent = to(Target(body={"model": "small", "top_k": 3}), json=None, content=content)
    assert sent.content == (
        b'{"temperature":1.0,"model":"small","seed":123456789012345678901234567890,"x":{"a" : [1.50]},"top_k":3}'
    )


def test_a_request_without_a_body_stays_without() -> None:
    """A list of models is asked for without one."""
    assert to(Target(url="https://eu.example.net", body={"model": "x"}), json=None).content == b""


def test_it_keeps_its_timeouts_and_whether_it_may_be_repeated() -> None:
    """Only the target is another."""
    request = attrs.evolve(
        Request.build("POST", "https://api.example.org/v1", json={}, timeouts=Timeouts(idle=5)), repeatable=False
    )
    sent = moved(request, slots([Target(url="https://eu.example.net")])[1])
    assert sent is not None
    assert (sent.timeouts, sent.repeatable, sent.method) == (request.timeouts, False, "POST")
    assert moved(request, slots([])[0]) is request
