"""The checks on the head of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken_gateway.edge.head import (
    MAX_HEAD,
    MAX_HEADERS,
    check_body,
    check_head,
    client_request_id,
    new_request_id,
)
from unbroken_gateway.edge.routes import ROUTES
from unbroken_gateway.replies.errors import Refused

from .kit import HOST, JSON, scope

HOSTS = frozenset({"api.example.com", "127.0.0.1", "::1"})
ROUTE = {route.name: route for route in ROUTES}
LENGTH = (b"content-length", b"2")
CHUNKED = (b"transfer-encoding", b"chunked")
CLOSE = ("connection", "close")


def refused(check, *args):
    with pytest.raises(Refused) as caught:
        check(*args)
    return caught.value.problem


def host(*values):
    return scope(*((b"host", value) for value in values))


@pytest.mark.parametrize(
    "value",
    [
        b"api.example.com",
        b"API.Example.COM",
        b"api.example.com:8443",
        b" api.example.com\t",
        b"127.0.0.1:8080",
        b"[::1]:80",
        b"[::1]",
    ],
)
def test_s13_a_host_on_the_list_is_served_with_any_port(value):
    check_head(host(value), HOSTS)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="S13-none"),
        pytest.param([b"api.example.com", b"api.example.com"], id="S13-two"),
        pytest.param([b"api.example.com", b"evil.example"], id="S13-two-that-differ"),
        pytest.param([b""], id="S13-empty"),
        pytest.param([b"evil.example"], id="S13-other"),
        pytest.param([b"api.example.com.evil.example"], id="S13-longer"),
        pytest.param([b"api.example.com."], id="S13-root-dot"),
        pytest.param([b"user@api.example.com"], id="S13-userinfo"),
        pytest.param([b"api.example.com@evil.example"], id="S13-userinfo-that-is-allowed"),
        pytest.param([b"api.example.com/evil"], id="S13-path"),
        pytest.param([b"api.example.com, evil.example"], id="S13-list"),
        pytest.param([b"api.example.com:"], id="S13-empty-port"),
        pytest.param([b"api.example.com:65536"], id="S13-port-too-large"),
        pytest.param([b"api.example.com:8x"], id="S13-port-not-a-number"),
        pytest.param([b"::1"], id="S13-bare-ipv6"),
        pytest.param([b"api.example.com\x00"], id="S13-nul"),
        pytest.param([b"api.ex\xc3\xa4mple.com"], id="S13-not-ascii"),
        pytest.param([b"http://api.example.com"], id="S13-url"),
    ],
)
def test_s13_any_other_host_is_refused(values):
    assert refused(check_head, host(*values), HOSTS).status == 400


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_s13_the_health_is_asked_by_address(path):
    check_head(scope((b"host", b"10.0.0.7"), method="GET", path=path), HOSTS)


@pytest.mark.parametrize("path", ["/health/other", "/health/live/", "/v1/models"])
def test_s13_nothing_else_is(path):
    refused(check_head, scope((b"host", b"10.0.0.7"), method="GET", path=path), HOSTS)


@given(st.binary(max_size=30))
def test_s13_whatever_the_host_is_only_names_of_the_list_pass(value):
    try:
        check_head(host(value), HOSTS)
    except Refused:
        return
    name = value.strip(b" \t").lower()
    assert name.startswith((b"api.example.com", b"127.0.0.1", b"[::1]"))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([CHUNKED, LENGTH], id="S14-both"),
        pytest.param([LENGTH, LENGTH], id="S14-two-lengths"),
        pytest.param([CHUNKED, CHUNKED], id="S14-two-codings"),
        pytest.param([(b"transfer-encoding", b"gzip, chunked")], id="S14-other-coding"),
        pytest.param([(b"transfer-encoding", b"chunked\x0b")], id="S14-odd-coding"),
        pytest.param([(b"Transfer-Encoding", b"CHUNKED"), LENGTH], id="S14-both-in-capitals"),
        pytest.param([(b"content-length", b"+2")], id="S14-sign"),
        pytest.param([(b"content-length", b"2, 2")], id="S14-list"),
        pytest.param([(b"content-length", b"")], id="S14-empty"),
        pytest.param([(b"content-length", b"0x2")], id="S14-hexadecimal"),
        pytest.param([(b"content-length", b"9" * 400)], id="S14-huge"),
        pytest.param([(b"content-length", "٣".encode())], id="S14-digits-of-another-script"),
    ],
)
def test_s14_a_length_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection(fields):
    problem = refused(check_head, scope(HOST, *fields), HOSTS)
    assert (problem.status, problem.headers) == (400, (CLOSE,))


@pytest.mark.parametrize("fields", [[], [LENGTH], [CHUNKED], [(b"transfer-encoding", b"Chunked")]])
def test_s14_one_length_or_none_is_good(fields):
    check_head(scope(HOST, *fields), HOSTS)


def test_s15_a_head_has_at_most_a_hundred_headers():
    fields = [HOST] + [(b"x-%d" % number, b"") for number in range(MAX_HEADERS - 1)]
    check_head(scope(*fields), HOSTS)
    assert refused(check_head, scope(*fields, (b"x", b"")), HOSTS).status == 431


@pytest.mark.parametrize("where", ["headers", "query", "path"])
def test_s15_a_head_has_at_most_32_kib(where):
    def sized(size):
        text = b"x" * size
        if where == "headers":
            return scope(HOST, (b"x-a", text))
        return scope(HOST, query_string=text) if where == "query" else scope(HOST, path="/" + text.decode())

    check_head(sized(MAX_HEAD - 200), HOSTS)
    assert refused(check_head, sized(MAX_HEAD), HOSTS).headers == (CLOSE,)


def test_s15_a_head_is_measured_without_a_raw_path():
    check_head(scope(HOST, raw_path=None), HOSTS)
    refused(check_head, scope(HOST, path="/" + "x" * MAX_HEAD, raw_path=None), HOSTS)


def test_s15_a_declared_body_over_the_limit_is_refused_before_it_is_read():
    check_body(scope(JSON, (b"content-length", b"100")), ROUTE["chat"], 100)
    problem = refused(check_body, scope(JSON, (b"content-length", b"101")), ROUTE["chat"], 100)
    assert (problem.status, problem.headers) == (413, (CLOSE,))


def test_a_body_must_be_declared():
    assert refused(check_body, scope(JSON), ROUTE["chat"], 100).status == 411
    check_body(scope(JSON, CHUNKED), ROUTE["chat"], 100)


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b"application/json;charset=UTF-8",
        b'application/json ; charset="utf-8"',
        b"application/json; charset=utf-8 ",
    ],
)
def test_s16_json_in_utf8_is_read(value):
    check_body(scope((b"content-type", value), LENGTH), ROUTE["messages"], 100)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="S16-none"),
        pytest.param([JSON, JSON], id="S16-two"),
        *(
            pytest.param([(b"content-type", value)], id=f"S16-{value.decode()}")
            for value in (
                b"",
                b"text/plain",
                b"application/x-www-form-urlencoded",
                b"multipart/form-data; boundary=x",
                b"application/jsonp",
                b"application/json; charset=utf-7",
                b"application/json; charset=latin-1",
                b"application/json; boundary=x",
                b"application/json, text/plain",
                b"application/vnd.api+json",
            )
        ),
        *(
            pytest.param([JSON, (b"content-encoding", value)], id=f"S16-encoding-{value.decode()}")
            for value in (b"gzip", b"br", b"identity", b"")
        ),
    ],
)
def test_s16_anything_else_is_refused(fields):
    assert refused(check_body, scope(*fields, LENGTH), ROUTE["messages"], 100).status == 415


@pytest.mark.parametrize("name", ["models", "stream", "ticket", "live", "ready", "openapi"])
def test_a_route_without_a_body_takes_none(name):
    check_body(scope(), ROUTE[name], 100)
    check_body(scope((b"content-length", b"0")), ROUTE[name], 100)
    for field in (LENGTH, CHUNKED):
        assert refused(check_body, scope(field), ROUTE[name], 100).headers == (CLOSE,)


@pytest.mark.parametrize("value", [b"a", b"req_1.2-3", b"x" * 128])
def test_s21_a_good_request_id_of_the_client_is_kept(value):
    assert client_request_id(scope((b"X-Request-Id", value))) == value.decode()


@pytest.mark.parametrize("value", [b"", b"a b", b"a\r\nb", b"<b>", b"x" * 129, b"\xc3\xa4", b'a"', b"a/b", b"a\n"])
def test_s21_any_other_is_replaced(value):
    assert client_request_id(scope((b"x-request-id", value), method="GET")) == ""


def test_s21_two_are_none():
    assert client_request_id(scope((b"x-request-id", b"a"), (b"x-request-id", b"b"))) == ""
    assert client_request_id(scope()) == ""


def test_s21_our_own_ids_are_good_ids_and_unlike():
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(client_request_id(scope((b"x-request-id", id.encode()))) == id for id in ids)
