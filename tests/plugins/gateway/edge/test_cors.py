"""Which web pages may call the gateway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken_gateway.config.settings import CORS
from unbroken_gateway.edge.cors import ALLOWED, EXPOSED, cors_headers, is_preflight, preflight

from .kit import scope, value

PAGE = "https://app.example.com"
ONE = CORS(origins=frozenset({PAGE}))
ANY = CORS(origins=frozenset({"*"}))
NONE = CORS()
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
# What browsers ask for in front of the JS SDKs.
ANTHROPIC_JS = (
    "anthropic-dangerous-direct-browser-access,anthropic-version,content-type,x-api-key,x-stainless-arch,x-stainless-lang,"
    "x-stainless-os,x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,"
    "x-stainless-timeout,x-stainless-helper-method"
)
OPENAI_JS = (
    "authorization,content-type,openai-organization,openai-project,user-agent,x-stainless-arch,x-stainless-lang,"
    "x-stainless-os,x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version"
)


def asked(origin=PAGE, method="POST", headers=None, verb="OPTIONS"):
    fields = [(b"origin", origin.encode()), (b"access-control-request-method", method.encode())]
    fields += [] if headers is None else [(b"access-control-request-headers", headers.encode())]
    return scope(*fields, method=verb)


@pytest.mark.parametrize("headers", [ANTHROPIC_JS, OPENAI_JS], ids=["anthropic", "openai"])
def test_s29_what_the_js_sdks_ask_for_is_allowed(headers):
    status, fields, body = preflight(asked(headers=headers), ONE, ("POST",))
    assert (status, body) == (204, b"")
    assert dict(fields) == {
        b"content-length": b"0",
        b"vary": VARY.encode(),
        b"access-control-allow-origin": PAGE.encode(),
        b"access-control-allow-methods": b"POST",
        b"access-control-allow-headers": ", ".join(sorted(headers.split(","))).encode(),
        b"access-control-max-age": b"600",
    }


def test_s29_the_list_is_that_of_the_design():
    listed = {
        "authorization", "x-api-key", "content-type", "anthropic-version", "anthropic-beta",
        "anthropic-dangerous-direct-browser-access", "x-request-id", "idempotency-key", "openai-organization",
        "openai-project", "last-event-id", "unbroken-resume",
    }  # fmt: skip
    assert listed | {"user-agent"} == ALLOWED


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ("content-type, x-evil", "content-type"),
        (" Content-Type ,,\tX-Stainless-OS,content-type", "content-type, x-stainless-os"),
        ("x-evil", None),
        ("x-stainless-", None),
        ("x-stainless-os\r\nset-cookie: a", None),
        ("x-stainless-é", None),
        ("*", None),
        ("cookie", None),
        ("", None),
    ],
)
def test_s29_of_the_names_asked_for_those_on_the_list_are_echoed(headers, named):
    _, fields, _ = preflight(asked(headers=headers), ONE, ("POST",))
    assert value(fields, "access-control-allow-headers") == named


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        PAGE + ".evil.example",
        PAGE + ":444",
        "http://app.example.com",
        PAGE.upper(),
        "*",
    ],
)
def test_s29_another_page_is_permitted_nothing(origin):
    assert preflight(asked(origin), ONE, ("POST",)) == (204, [(b"content-length", b"0"), (b"vary", VARY.encode())], b"")
    assert cors_headers(asked(origin), ONE) == [(b"vary", b"Origin")]


def test_s29_two_origins_are_none():
    twice = scope((b"origin", PAGE.encode()), (b"origin", PAGE.encode()))
    assert cors_headers(twice, ONE) == [(b"vary", b"Origin")]


def test_s29_another_method_is_permitted_nothing():
    for method in ("PUT", "post", ""):
        assert len(preflight(asked(method=method), ONE, ("GET", "DELETE", "POST"))[1]) == 2
    fields = preflight(asked(method="DELETE"), ONE, ("GET", "DELETE"))[1]
    assert value(fields, "access-control-allow-methods") == "GET, DELETE"


def test_s29_without_a_list_nothing_is_permitted():
    assert len(preflight(asked(headers="content-type"), NONE, ("POST",))[1]) == 2
    assert cors_headers(asked(), NONE) == []


def test_s29_every_answer_to_a_page_on_the_list_can_be_read():
    assert cors_headers(asked(verb="POST"), ONE) == [
        (b"vary", b"Origin"),
        (b"access-control-allow-origin", PAGE.encode()),
        (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
    ]


def test_s29_answers_without_an_origin_vary_all_the_same():
    assert cors_headers(scope(), ONE) == [(b"vary", b"Origin")]


def test_s29_the_ids_and_the_hints_are_exposed():
    assert set(EXPOSED) == {
        "request-id", "x-request-id", "retry-after", "retry-after-ms", "x-should-retry", "unbroken-stream",
        "unbroken-stream-ttl",
    }  # fmt: skip


@pytest.mark.parametrize(("origin", "allowed"), [(PAGE, "*"), ("null", None)])
def test_s29_any_page_is_written_as_a_star(origin, allowed):
    for fields in (preflight(asked(origin), ANY, ("POST",))[1], cors_headers(asked(origin), ANY)):
        assert value(fields, "access-control-allow-origin") == allowed


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from([ONE, ANY, NONE]))
def test_s29_credentials_are_never_allowed(origin, headers, cors):
    given = asked(origin, headers=headers)
    for fields in (preflight(given, cors, ("POST",))[1], cors_headers(given, cors)):
        assert value(fields, "access-control-allow-credentials") is None
        assert value(fields, "access-control-allow-origin") in (None, "*", PAGE)
        assert all(text.isascii() and text.decode().isprintable() for _, text in fields)


def test_a_preflight_is_told_by_its_method_and_its_headers():
    assert is_preflight(asked())
    assert not is_preflight(asked(verb="POST"))
    assert not is_preflight(scope((b"origin", PAGE.encode()), method="OPTIONS"))
    assert not is_preflight(scope((b"access-control-request-method", b"POST"), method="OPTIONS"))
