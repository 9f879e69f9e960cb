"""The values that travel: requests that can be sent, events that are decoded when asked, usage that is never added."""

import copy
import pickle
import threading
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import ConfigurationError, Dialect, Event, Headers, Request, Response, StreamError, Timeouts, Usage
from unbroken.headers import user_agent
from unbroken.json_text import mended

CANARY = "sk-canary-1234567890"
URL = "https://api.example.org/v1"

counts = st.none() | st.integers(0, 100)
usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cache_read_tokens=counts,
    cache_write_tokens=counts,
    final=st.booleans(),
)


# Timeouts


def test_the_clocks_have_defaults() -> None:
    """Everything is bounded but the whole, which may take as long as there is progress."""
    assert attrs.astuple(Timeouts()) == (5.0, 600.0, 60.0, 600.0, None, False, False)


@pytest.mark.parametrize("name", ["connect", "first_event", "idle", "total"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "5", 10**400], ids=lambda v: repr(v)[:9])
def test_E63_a_clock_is_a_positive_number(name: str, value: Any) -> None:
    """The error names the clock."""
    with pytest.raises(ConfigurationError) as caught:
        Timeouts(**{name: value})
    assert [problem.path for problem in caught.value.problems] == [name]


def test_E63_keepalives_count_or_do_not() -> None:
    """Nothing between."""
    with pytest.raises(ConfigurationError, match="count_keepalives"):
        Timeouts(count_keepalives=1)  # type: ignore[arg-type]


# Request


def test_a_request_asks_for_an_event_stream() -> None:
    """Uncompressed and uncached; what the user says wins."""
    request = Request.build("post", URL, headers={"ACCEPT": "*/*", "X": "1"}, json={"a": [1, "ü"]})
    assert request.method == "POST"
    assert request.json() == {"a": [1, "ü"]}
    assert dict(request.headers) == {
        "accept": "*/*",
        "accept-encoding": "identity",
        "cache-control": "no-store",
        "content-type": "application/json",
        "user-agent": user_agent(),
        "x": "1",
    }


def test_a_request_without_json_has_no_content_type() -> None:
    """Whoever brings bytes knows what they are."""
    request = Request.build("POST", URL, content=b"abc")
    assert request.content == b"abc"
    assert "content-type" not in request.headers
    assert request.timeouts is None


def test_a_request_is_changed_by_copying() -> None:
    """Headers are replaced, everything else stays, the old one is what it was."""
    old = Request.build("POST", URL, headers={"A": "1"}, json={})
    new = old.with_headers({"a": "2", "B": "3"})
    assert (old.headers["a"], new.headers["a"], new.headers["b"]) == ("1", "2", "3")
    assert attrs.evolve(new, headers=old.headers) == old
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        old.url = "x"  # type: ignore[misc]


def test_E68_a_bad_header_of_a_changed_request_is_refused() -> None:
    """By name."""
    with pytest.raises(ConfigurationError, match=r"headers\.B: has characters") as caught:
        Request.build("GET", URL).with_headers({"B": f"{CANARY}\n"})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "GET / HTTP/1.1\r\nX: y", "ÄT"], ids=repr)
def test_a_method_is_a_token(method: str) -> None:
    """RFC 9110 §9.1: nothing can be smuggled into the request line."""
    with pytest.raises(ConfigurationError, match="is not an HTTP method"):
        Request.build(method, URL)


@pytest.mark.parametrize("method", [None, b"GET", ["GET"]], ids=repr)
def test_a_method_is_text(method: Any) -> None:
    """As the URL is."""
    with pytest.raises(ConfigurationError, match="method: must be a string"):
        Request(method=method, url=URL)


def test_a_body_is_given_once() -> None:
    """Or one of the two would be lost in silence."""
    with pytest.raises(ConfigurationError, match="content: cannot be sent together with json"):
        Request.build("POST", URL, json={}, content=b"x")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.Example.org", "https://api.example.org:443"),
        ("http://example.org/a?b#c", "http://example.org:80"),
        ("HTTPS://example.org:8443/", "https://example.org:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://[::1]:8000/x", "http://[::1]:8000"),
        ("https://[2001:DB8::1]/", "https://[2001:db8::1]:443"),
        ("https://example.org:/", "https://example.org:443"),
    ],
)
def test_the_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    """In lower case, the port always there: circuits and limits are kept by it."""
    assert Request.build("GET", url).origin == origin


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        pytest.param("", "must start with", id="empty"),
        pytest.param("/v1", "must start with", id="relative"),
        pytest.param("//example.org", "must start with", id="no-scheme"),
        pytest.param("ftp://example.org", "must start with .*, not ftp://", id="other-scheme"),
        pytest.param("file:///etc/passwd", "must start with", id="file"),
        pytest.param(f"{CANARY}:password@example.org", "must start with", id="E85-user-for-scheme"),
        pytest.param(f"{CANARY}://example.org", "must start with", id="E85-key-for-scheme"),
        pytest.param(f"ftp://user:{CANARY}@example.org", "must start with", id="E85-userinfo-of-other-scheme"),
        pytest.param("https://", "has no host", id="no-host"),
        pytest.param("https:///path", "has no host", id="no-host-but-path"),
        pytest.param("https://:443/", "has no host", id="no-host-but-port"),
        pytest.param("https://example.org:x/", "cannot be parsed", id="port-no-number"),
        pytest.param("https://example.org:99999/", "cannot be parsed", id="port-too-large"),
        pytest.param("https://example.org:0/", "has port 0", id="port-zero"),
        pytest.param("https://[::1/", "cannot be parsed", id="broken-IPv6"),
        pytest.param(f"https://u:{CANARY}@example.org/", "carries credentials", id="userinfo"),
        pytest.param(f"https://{CANARY}@example.org/", "carries credentials", id="user-alone"),
        pytest.param("https://@example.org/", "carries credentials", id="empty-userinfo"),
        pytest.param(f"https://example.org/ HTTP/1.1\r\nX: {CANARY}", "has a space or a control", id="injection"),
        pytest.param("https://example.org/\x7f", "has a space or a control", id="DEL"),
        pytest.param("https://example.org/\0", "has a space or a control", id="NUL"),
        pytest.param(None, "must be a string, not NoneType", id="None"),
        pytest.param(b"https://example.org", "must be a string, not bytes", id="bytes"),
    ],
)
def test_E68_a_url_that_cannot_be_sent_is_refused(url: Any, problem: str) -> None:
    """And not repeated: it may carry a secret."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Request.build("GET", url)
    assert [problem.path for problem in caught.value.problems] == ["url"]
    assert CANARY not in str(caught.value)


@given(st.text(max_size=30) | st.from_regex(r"https?://[^/]{0,12}(/.{0,5})?", fullmatch=True))
def test_any_url_is_taken_or_refused(url: str) -> None:
    """By ConfigurationError and nothing else; what is taken has an origin."""
    try:
        request = Request.build("GET", url)
    except ConfigurationError:
        return
    assert request.origin.startswith(("http://", "https://"))
    assert Request.build("GET", request.origin).origin == request.origin


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    "json",
    [
        pytest.param(object(), id="object"),
        pytest.param({"a": {1: object()}}, id="deep-inside"),
        pytest.param({(1, 2): 1}, id="tuple-as-key"),
        pytest.param("\ud800", id="lone-surrogate"),
        pytest.param(_circle(), id="circle"),
    ],
)
def test_a_body_that_is_not_json_is_refused(json: Any) -> None:
    """When the call is made, not when it is sent."""
    with pytest.raises(ConfigurationError, match="json: cannot be written as JSON"):
        Request.build("POST", URL, json=json)


def test_json_knows_more_than_the_basic_types() -> None:
    """What msgspec writes: dates, attrs classes."""
    request = Request.build("POST", URL, json={"at": datetime(2026, 1, 2, tzinfo=UTC), "usage": Usage(input_tokens=1)})
    assert request.json()["at"] == "2026-01-02T00:00:00Z"
    assert request.json()["usage"]["input_tokens"] == 1


# Event


@pytest.mark.parametrize(
    ("data", "raw"),
    [
        (b"\xff", b"\xff"),
        ("ü", "ü".encode()),
        ({"a": 1}, b'{"a":1}'),
        ([None], b"[null]"),
        ((), b"[]"),
        (1, b"1"),
    ],
    ids=repr,
)
def test_an_event_is_made_of_anything(data: Any, raw: bytes) -> None:
    """Bytes and text as they are, the rest as JSON."""
    assert Event.make("delta", data, id="7", request_id="req_1") == Event("delta", raw, "7")


def test_an_event_has_defaults() -> None:
    """Those of WHATWG HTML §9.2.6."""
    event = Event()
    assert (event.type, event.data, event.id, event.request_id) == ("message", "", "", "")


def test_data_is_text_whatever_the_bytes() -> None:
    """Invalid UTF-8 becomes U+FFFD, in JSON too."""
    event = Event("a", b'"\xff"')
    assert event.data == '"�"'
    assert event.json() == "�"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b'{"\xff":"Gr\xe4\xc3"}', {"�": "Gr��"}, id="bytes"),
        pytest.param(b'"\xed\xa0\x80"', "���", id="a-surrogate-as-bytes"),
        pytest.param(rb'["\ud83d", "\uDE00x", "\ud83d\ud83d\ude00"]', ["�", "�x", "�😀"], id="half-a-pair"),
        pytest.param(rb'"\\ud83d \n \u00e9 \ud83d"', "\\ud83d \n é �", id="other-escapes-stay"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', {"a": 1}, id="byte-order-mark"),
    ],
)
def test_json_is_read_whatever_the_encoding(raw: bytes, value: Any) -> None:
    """Servers cut at a byte, or between the halves of an emoji; the rest of the data is as good as ever."""
    assert Event("a", raw).json() == value
    assert Event("a", raw).json() == Event("a", mended(raw)).json()


@pytest.mark.parametrize("raw", [b"", b" \n", b"keepalive", b"[DONE]", b"\xff", rb'"\ud8', b"{"])
def test_what_is_no_json_raises_a_stream_error(raw: bytes) -> None:
    """Empty data too, and bytes that no repair makes JSON of."""
    with pytest.raises(StreamError, match="the data of event 'a' is not JSON") as caught:
        Event("a", raw, request_id="req_1").json()
    assert caught.value.request_id == "req_1"


def test_json_is_decoded_once_and_on_demand() -> None:
    """The same object each time; nothing is decoded that nobody asks for."""
    Event("a", b"no JSON")
    event = Event("a", b'{"a":[1]}')
    assert event.json() is event.json()
    assert Event("a", b"null").json() is None


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"", "truncated"),
        (b'{"a"', "truncated"),
        (b"xx", r"byte 0"),
        (b'{"a":1}x', r"byte \d"),
        (b"NaN", r"byte 0"),
        (b"[" * 100_000, "recursion"),
        (b"1e999", "out of range"),
    ],
    ids=["nothing", "cut", "word", "more-behind", "NaN", "deep", "huge"],
)
def test_data_that_is_not_json_is_a_stream_error(raw: bytes, where: str) -> None:
    """It says where, and of which event of which call; the data itself is not repeated."""
    with pytest.raises(StreamError, match=where) as caught:
        Event("delta", raw, request_id="req_1").json()
    assert "'delta'" in caught.value.message
    assert caught.value.request_id == "req_1"
    assert caught.value.__cause__ is None


def test_an_event_of_no_call_has_no_request_id_in_its_error() -> None:
    """Rather than an empty one."""
    with pytest.raises(StreamError) as caught:
        Event("a", b"x").json()
    assert caught.value.request_id is None


def test_looking_into_the_object() -> None:
    """Brackets, `get` and `in` look into the JSON object."""
    event = Event("a", b'{"a":{"b":1},"n":null}')
    assert event["a"]["b"] == 1
    assert (event.get("a"), event.get("n", 1), event.get("x"), event.get("x", 2)) == ({"b": 1}, None, None, 2)
    assert "n" in event
    assert "x" not in event
    with pytest.raises(KeyError, match="x"):
        event["x"]


@pytest.mark.parametrize("raw", [b"[1]", b"null", b'"a"', b"1"], ids=repr)
def test_other_json_has_no_names(raw: bytes) -> None:
    """A list or a number is no object: nothing is in there."""
    event = Event("a", raw)
    assert event.get("a", 1) == 1
    assert "a" not in event
    with pytest.raises(KeyError):
        event["a"]


TWINS = [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("read_before", [False, True])
def test_events_can_be_copied(twin: Any, read_before: bool) -> None:
    """Whether their JSON was decoded before or not."""
    event = Event("a", b'{"a":1}', "7", "req_1")
    if read_before:
        event.json()
    again = twin(event)
    assert again == event
    assert again.json() == {"a": 1}
    assert again.request_id == "req_1"


def test_events_compare_by_what_they_say() -> None:
    """Not by the call they came with, nor by whether somebody looked."""
    one, other = Event("a", b"1", request_id="req_1"), Event("a", b"1", request_id="req_2")
    one.json()
    assert one == other
    assert one != Event("a", b"2")


def test_a_changed_event_is_decoded_again() -> None:
    """`attrs.evolve` takes nothing over from the old data."""
    event = Event("a", b"1")
    event.json()
    assert event.replace(raw=b"2").json() == 2


class Shouting(Dialect):
    """A dialect with objects of its own, and with something that can be neither copied nor pickled twice."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def typed(self, event: Event) -> Any:
        return event.type.upper()

    def __reduce__(self) -> Any:
        return Shouting, ()


def test_a_typed_event_is_what_its_dialect_makes_of_it() -> None:
    """Without a dialect, and with one that has no classes, it is the event itself."""
    event = Event.make("a", b"1", dialect=Shouting())
    assert event.typed() == "A"
    assert Event.make("b", dialect=Shouting()).typed() == "B"
    for plain in (Event("a", b"1"), Event.make("a", b"1", dialect=Dialect())):
        assert plain.typed() is plain


def test_an_event_equals_events_only() -> None:
    """Other types decide for themselves."""
    one, same = Event("a", b"1"), Event("a", b"1", request_id="call-1")
    assert one == same
    assert not one != same  # noqa: SIM202  # both operators are meant
    assert one != Event("a", b"2")
    assert one != b"1"


@pytest.mark.parametrize("twin", [*TWINS, lambda it: it.replace(raw=b"2")])
def test_a_copy_of_an_event_keeps_its_dialect(twin: Any) -> None:
    """Pickled, copied or changed: what the event means is still known."""
    assert twin(Event("a", b"1", "7", "req_1", Shouting())).typed() == "A"


def test_the_dialect_is_no_part_of_what_an_event_says() -> None:
    """It is in neither the comparison nor the repr."""
    event = Event.make("a", b"1", dialect=Shouting())
    assert event == Event("a", b"1")
    assert repr(event) == repr(Event("a", b"1"))


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9)


@given(st.lists(scalars, max_size=4) | st.dictionaries(st.text(max_size=4), scalars, max_size=4))
def test_what_is_made_is_read_again(value: Any) -> None:
    """An event made of JSON says what it was made of."""
    made = Event.make("a", value)
    assert made.json() == value


# Usage


def test_usage_is_overwritten_field_by_field() -> None:
    """A field that the later report lacks stays."""
    first = Usage(input_tokens=10, output_tokens=1, cache_read_tokens=3)
    later = Usage(output_tokens=25, final=True)
    assert first.updated(later) == Usage(input_tokens=10, output_tokens=25, cache_read_tokens=3, final=True)


@given(usages, usages)
def test_usage_is_never_added(one: Usage, later: Usage) -> None:
    """Each count is that of one report or of the other, the later if it has one; reporting twice changes nothing."""
    result = one.updated(later)
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
        before, after = getattr(one, name), getattr(later, name)
        assert getattr(result, name) == (before if after is None else after)
    assert result.updated(later) == result
    assert result.final == (one.final or later.final)


# Secrets


def test_E68_no_repr_shows_a_secret() -> None:
    """Header values, query strings, fragments, bodies and data stay out of reprs."""
    request = Request.build(
        "POST",
        f"https://example.org/v1?key={CANARY}#{CANARY}",
        headers={"Authorization": f"Bearer {CANARY}", "x-api-key": CANARY, "Cookie": CANARY, "X-Any": CANARY},
        json={"key": CANARY},
    )
    response = Response(
        status_code=200,
        headers=Headers([("set-cookie", CANARY), ("x-any", CANARY), ("Content-Type", "text/plain")]),
    )
    event = Event("a", CANARY.encode(), CANARY)
    assert CANARY not in f"{request!r}{request}{response!r}{response}{event!r}{event}"
    assert "https://example.org:443/v1" in repr(request)
    assert "authorization: ***" in repr(request)
    assert "content-type: text/plain" in repr(response)
    assert f"{len(CANARY)} bytes" in repr(event)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        pytest.param((12, 2, None), (0, 0, None), (12, 2, None), id="zeros"),
        pytest.param((12, 5, None), (12, 4, None), (12, 5, None), id="smaller"),
        pytest.param((12, None, None), (20, 4, None), (20, 4, None), id="grows"),
        pytest.param((12, 1, None), (4, None, 8), (4, 1, 8), id="part-of-it-was-cached"),
        pytest.param((10, 1, 5), (0, 3, 5), (10, 3, 5), id="zero-beside-the-cache"),
        pytest.param((10, 1, None), (0, 3, 4), (10, 3, 4), id="zero-and-first-word-of-the-cache"),
    ],
)
def test_within_an_attempt_a_smaller_count_changes_nothing(
    earlier: tuple[Any, ...], later: tuple[Any, ...], expected: tuple[Any, ...]
) -> None:
    """Some servers end with zeros. The input is compared as a whole, because its cached part is subtracted."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens")
    first, second, result = (Usage(**dict(zip(names, counts, strict=True))) for counts in (earlier, later, expected))
    assert first.advanced(second) == result


@given(usages, usages)
def test_counts_of_an_attempt_never_shrink(one: Usage, later: Usage) -> None:
    """Each count is that of one report or of the other; reporting twice changes nothing."""
    result = one.advanced(later)
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
        assert getattr(result, name) in {getattr(one, name), getattr(later, name)}
    assert result._input() >= one._input()
    assert (result.output_tokens or 0) >= max(one.output_tokens or 0, later.output_tokens or 0)
    assert result.advanced(later) == result
