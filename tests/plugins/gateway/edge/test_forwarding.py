"""What goes to an upstream, and what comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Headers
from unbroken_gateway.edge.forwarding import (
    QUERY,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    client_headers,
    upstream_headers,
    upstream_query,
)

from .kit import scope

VERSION = ("anthropic-version", "2023-06-01")
REFUSED = [
    "authorization", "x-api-key", "cookie", "host", "content-length", "content-type", "content-encoding", "accept",
    "connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade",
    "anthropic_version", "anthropic_beta", "anthropic-beta ", "x-forwarded-for", "forwarded", "x-real-ip", "origin",
    "referer", "user-agent", "idempotency-key", "openai-organization", "openai-project", "x-stainless-retry-count",
    "x-request-id", "anthropic-dangerous-direct-browser-access", "last-event-id", "unbroken-resume", "expect",
]  # fmt: skip


@pytest.mark.parametrize("dialect", ["anthropic", "openai"])
@pytest.mark.parametrize("name", REFUSED)
def test_s20_a_header_that_is_not_on_the_list_stays(name, dialect):
    expected = [VERSION] if dialect == "anthropic" else []
    assert upstream_headers(scope((name.encode(), b"x")), dialect) == expected


def test_s20_headers_on_the_list_of_the_dialect_go_on():
    asked = scope(
        (b"Anthropic-Version", b" 2024-01-01 "),
        (b"anthropic-beta", b"a"),
        (b"openai-beta", b"c"),
        (b"anthropic-beta", b"b"),
    )
    assert upstream_headers(asked, "anthropic") == [("anthropic-version", "2024-01-01"), ("anthropic-beta", "a, b")]
    assert upstream_headers(asked, "openai") == [("openai-beta", "c")]


def test_a_client_that_names_no_version_gets_the_first():
    assert upstream_headers(scope(), "anthropic") == [VERSION]


@pytest.mark.parametrize("value", [b"", b"a\r\nx: y", b"a\nb", b"\xff", b"a\0", b"x" * 2000])
def test_s22_a_value_that_is_no_header_stays(value):
    assert upstream_headers(scope((b"openai-beta", value)), "openai") == []


@given(
    st.lists(
        st.tuples(st.sampled_from([*REFUSED, "openai-beta", "anthropic-beta"]).map(str.encode), st.binary(max_size=9))
    )
)
def test_s20_whatever_is_sent_only_the_list_goes_on(fields):
    for dialect, names in REQUEST_HEADERS.items():
        sent = upstream_headers(scope(*fields), dialect)
        assert names >= {name for name, _ in sent}
        Headers.validated(sent)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set-cookie", "openai-organization", "server", "OpenAI-Version"]), st.text(max_size=9)
        )
    )
)
def test_s20_whatever_comes_only_the_list_goes_back(fields):
    sent = client_headers(fields)
    assert {name.decode() for name, _ in sent} <= RESPONSE_HEADERS
    assert all(value.isascii() and value.decode().isprintable() for _, value in sent)


def test_s20_headers_of_an_answer_on_the_list_go_back():
    fields = [("OpenAI-Version", "1"), ("openai-organization", "acme"), ("request-id", "x"), ("connection", "close")]
    assert client_headers(fields) == [(b"openai-version", b"1")]


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        (b"", ""),
        (b"beta=true", "beta=true"),
        (b"beta=true&api_base=http://evil.example", "beta=true"),
        (b"api_base=http://evil.example", ""),
        (b"beta=a%26url%3Db", ""),
        (b"beta=a%0d%0ab", ""),
        (b"beta=1&beta=2", "beta=2"),
        (b"Beta=true", ""),
        (b"beta", ""),
        (b"beta=" + b"x" * 65, ""),
        (b"\xff\xfe=%ff", ""),
        (b"a&" * 200 + b"beta=true", ""),
    ],
)
def test_s19_only_the_list_of_the_query_goes_on(query, sent):
    assert upstream_query(scope(query_string=query)) == sent


@given(st.binary(max_size=60))
def test_s19_whatever_the_query_is_only_the_list_goes_on(query):
    sent = upstream_query(scope(query_string=query + b"&beta=1"))
    assert sent == "" or {part.partition("=")[0] for part in sent.split("&")} <= QUERY
