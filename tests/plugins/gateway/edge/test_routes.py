"""The table of routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken_gateway.config.settings import Alias, Settings
from unbroken_gateway.edge.routes import ROUTES, dialect_of, find, locate, table_of
from unbroken_gateway.replies.errors import Refused

from .kit import scope

TABLE = table_of(Settings().aliases)
ID = "abcdefghijklmnopqrstu_-9"


def status(asked):
    with pytest.raises(Refused) as caught:
        find(asked, TABLE)
    return caught.value.problem


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_s18_each_route_is_found_by_its_path(route):
    path = route.path.replace("{id}", ID)
    for method in route.methods:
        found = find(scope(method=method, path=path), TABLE)
        assert found.route is route
        assert found.stream == (ID if "{id}" in route.path else "")
        assert find(scope(method=method, path=path, raw_path=None), TABLE) == found


def test_an_alias_is_its_route_at_another_path():
    found = find(scope(path="/api/claude"), TABLE).route
    assert (found.name, found.path, found.form) == ("messages", "/api/claude", "messages")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "*",
        "/v1",
        "/v1/",
        "/v1/messages/",
        "//v1/messages",
        "/v1//messages",
        "/v1/./messages",
        "/v1/x/../messages",
        "/v1/messages/..",
        "/v1/streams/../messages",
        "/V1/messages",
        "/v1/messages;x",
        "/v1/messages#x",
        "/v1/messages\\",
        "v1/messages",
        "http://evil.example/v1/messages",
        "/v1/streams/",
        "/v1/streams/{id}",
        "/v1/streams/{id}/ticket",
        "/v1/streams/" + ID[1:],
        "/v1/streams/" + ID + "a",
        "/v1/streams/" + ID + "/",
        "/v1/streams/" + ID + "/ticket/",
        "/v1/streams/" + ID + "\n",
        "/v1/streams/" + ID[:-1] + "ä",
        "/v1/files",
        "/admin",
        "/metrics",
    ],
)
def test_s18_any_other_path_is_404(path):
    assert status(scope(path=path)).status == 404


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1%2fmessages", "/v1/messages"),
        (b"/v1/%6dessages", "/v1/messages"),
        (b"/v1/x/%2e%2e/messages", "/v1/x/../messages"),
        (b"/v1/messages%00", "/v1/messages\0"),
        (b"http://api.example.com/v1/messages", "/v1/messages"),
        (b"//evil.example/v1/messages", "/v1/messages"),
        (b"/admin", "/v1/messages"),
        (b"", "/v1/messages"),
    ],
)
def test_s18_a_path_is_found_only_as_it_was_sent(raw, path):
    assert status(scope(path=path, raw_path=raw)).status == 404


def test_s18_a_query_is_no_part_of_the_path():
    assert find(scope(query_string=b"beta=true"), TABLE).route.name == "messages"
    assert find(scope(raw_path=b"/v1/messages?beta=true"), TABLE).route.name == "messages"


@given(st.text(max_size=40), st.binary(max_size=40) | st.none())
def test_s18_whatever_the_path_is_nothing_else_is_found(path, raw):
    try:
        found = locate(scope(path=path, raw_path=raw), TABLE)
    except Refused:
        return
    assert found.route.path == path


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/messages", "POST"),
        ("OPTIONS", "/v1/messages", "POST"),
        ("post", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET"),
        ("PUT", f"/v1/streams/{ID}", "GET, DELETE"),
        ("GET", f"/v1/streams/{ID}/ticket", "POST"),
        ("DELETE", "/health/live", "GET, HEAD"),
    ],
)
def test_s31_another_method_is_405_with_those_that_are_allowed(method, path, allow):
    problem = status(scope(method=method, path=path))
    assert (problem.status, problem.headers) == (405, (("allow", allow),))


@pytest.mark.parametrize(
    "alias",
    [
        Alias(path="/v1/messages", route="/v1/chat/completions"),
        Alias(path="/health/live", route="/v1/messages"),
        Alias(path="/v1/streams/x", route="/v1/messages"),
        Alias(path="/x", route="/v1/nothing"),
        Alias(path="/x", route="/v1/streams/{id}"),
    ],
    ids=lambda alias: f"{alias.path}-{alias.route}",
)
def test_an_alias_that_hides_a_route_or_has_none_is_refused(alias):
    with pytest.raises(ValueError, match="alias"):
        table_of([alias])


def test_an_alias_may_not_be_given_twice():
    with pytest.raises(ValueError, match="alias"):
        table_of([Alias(path="/x", route="/v1/messages"), Alias(path="/x", route="/v1/responses")])


@pytest.mark.parametrize(
    ("path", "sent", "dialect"),
    [
        ("/v1/messages", False, "anthropic"),
        ("/v1/chat/completions", True, "openai"),
        ("/v1/models", False, "openai"),
        ("/v1/models", True, "anthropic"),
        (None, False, "openai"),
        (None, True, "anthropic"),
    ],
)
def test_the_dialect_of_an_error_is_that_of_the_route_else_of_the_client(path, sent, dialect):
    asked = scope(*[(b"anthropic-version", b"2023-06-01")] * sent)
    assert dialect_of(asked, TABLE[path] if path else None) == dialect
