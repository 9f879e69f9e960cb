"""The parser: bytes in, head and body out; whatever the cut, and never laxer than h11."""

import itertools
import os
import time
from typing import Any

import h11
import pytest
from attrs import define, field
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from unbroken._wire.head import MAX_FIELDS, Malformed
from unbroken._wire.parser import MAX_HEAD, MAX_LINE, MAX_TRAILER, ResponseParser, chunk_size

EXAMPLES = int(os.environ.get("UNBROKEN_FUZZ", "400"))
"""Raise it for a longer search by hand."""

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@define
class Parsed:
    """What a parser made of some bytes."""

    body: bytes = b""
    done: bool = False
    reusable: bool = False
    status: int = 0
    fields: list[tuple[str, str]] = field(factory=list)
    error: str | None = None


def parse(*pieces: bytes, end: bool = False, bodyless: bool = False) -> Parsed:
    parser = ResponseParser(bodyless=bodyless)
    parsed = Parsed()
    try:
        for piece in pieces:
            parsed.body += parser.feed(piece)
        if parser.error is not None:
            raise parser.error
        if end:
            assert parser.end() == b""
    except Malformed as error:
        parsed.error = str(error)
    parsed.done, parsed.reusable = parser.done, parser.reusable
    if parser.head is not None:
        parsed.status, parsed.fields = parser.head.status, parser.head.fields
    if parsed.error is not None:
        parsed.done = parsed.reusable = False  # nobody asks any more
    return parsed


@pytest.mark.parametrize(
    ("data", "body", "reusable"),
    [
        pytest.param(OK + b"Content-Length: 3\r\n\r\nabc", b"abc", True, id="length"),
        pytest.param(OK + b"content-length: 3, 3\r\nContent-Length:3\r\n\r\nabc", b"abc", True, id="same-length-twice"),
        pytest.param(OK + b"Content-Length: 0\r\n\r\n", b"", True, id="empty"),
        pytest.param(CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde", True, id="chunked"),
        pytest.param(CHUNKED + b"03 ;q\r\nabc\r\n0\r\nX-T: 1\r\nY:\r\n\r\n", b"abc", True, id="trailers"),
        pytest.param(CHUNKED + b"A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", True, id="hex"),
        pytest.param(OK + b"Connection: x, Close\r\nContent-Length: 1\r\n\r\na", b"a", False, id="close"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", False, id="1.0"),
        pytest.param(b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", b"", True, id="204"),
        pytest.param(b"HTTP/1.1 304\r\n\r\n", b"", True, id="304-without-reason"),
        pytest.param(
            b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na",
            b"a",
            True,
            id="informational",
        ),
        pytest.param(OK + b"Content-Length: 1\r\n\r\nabc", b"a", False, id="bytes-behind-length"),
        pytest.param(CHUNKED + b"1\r\na\r\n0\r\n\r\nH", b"a", False, id="bytes-behind-chunks"),
        pytest.param(
            OK + b"Content-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"a", False, id="both"
        ),
    ],
)
def test_a_complete_response(data: bytes, body: bytes, reusable: bool) -> None:
    """The body that was meant, and whether the connection may be used again; fed at once and byte by byte."""
    for parsed in (parse(data), parse(*[data[at : at + 1] for at in range(len(data))])):
        assert (parsed.error, parsed.body, parsed.done, parsed.reusable) == (None, body, True, reusable)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x15\x03\x01\x00\x02\x02P", "does not speak HTTP/1.1"),
        (b"SSH-2.0", "does not speak HTTP/1.1"),
        (b"HTTP/2 200 OK\r\n\r\n", "does not speak HTTP/1.1"),
        (b"HTTP/1.2 200 OK\r\n\r\n", "malformed status line"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "malformed status line"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "malformed status line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "malformed status line"),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "malformed status line"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "switches protocols"),
        (OK + b"no colon\r\n\r\n", "malformed header field"),
        (OK + b"Space : x\r\n\r\n", "malformed header field"),
        (OK + b": x\r\n\r\n", "malformed header field"),
        (OK + b"X: a\x00b\r\n\r\n", "malformed header field"),
        (OK + b"X: a\rb\r\n\r\n", "malformed header field"),
        (OK + b"X: a\nY: b\r\n\r\n", "malformed header field"),
        (OK + b"\xe4: x\r\n\r\n", "malformed header field"),
        (OK + b"Content-Length: x\r\n\r\n", "not one number"),
        (OK + b"Content-Length: -1\r\n\r\n", "not one number"),
        (OK + b"Content-Length: +1\r\n\r\n", "not one number"),
        (OK + b"Content-Length: 1_0\r\n\r\n", "not one number"),
        (OK + b"Content-Length: \xb2\r\n\r\n", "not one number"),
        (OK + b"Content-Length: " + b"9" * 19 + b"\r\n\r\n", "not one number"),
        (OK + b"Content-Length:\r\n\r\n", "not one number"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "not one number"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n", "transfer coding"),
        (OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n", "transfer coding"),
        (OK + b"Transfer-Encoding:\r\n\r\n", "transfer coding"),
        (CHUNKED + b"\r\n", "malformed size"),
        (CHUNKED + b"0x1\r\na\r\n", "malformed size"),
        (CHUNKED + b"+1\r\na\r\n", "malformed size"),
        (CHUNKED + b"1_0\r\na\r\n", "malformed size"),
        (CHUNKED + b" 1\r\na\r\n", "malformed size"),
        (CHUNKED + b"1\n\r\na\r\n", "malformed size"),
        (CHUNKED + b"g\r\n", "malformed size"),
        (CHUNKED + b"f" * 16 + b"\r\n", "malformed size"),
        (CHUNKED + b"1;a=\x00\r\na\r\n", "malformed size"),
        (CHUNKED + b"1\r\nab\r\n", "longer than announced"),
        (CHUNKED + b"1\r\na\rb", "longer than announced"),
        (CHUNKED + b"1" + b";" * MAX_LINE, "a line within"),
        (CHUNKED + b"0\r\nno colon\r\n\r\n", "trailer"),
        (CHUNKED + b"0\r\n" + b"X: " + b"y" * (MAX_LINE + 1), "a line within"),
        (CHUNKED + b"0\r\n" + b"X: y\r\n" * (MAX_TRAILER // 6 + 1), "trailer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD, "more than"),
        (OK + b"X:\r\n" * (MAX_FIELDS + 1) + b"\r\n", "more than"),
    ],
)
def test_what_is_no_http_is_malformed(data: bytes, message: str) -> None:
    """Said as soon as it is seen, and again when asked again."""
    for pieces in ((data,), [data[at : at + 7] for at in range(0, len(data), 7)]):
        assert message in (parse(*pieces).error or "")
    parser = ResponseParser()
    for ask in (lambda: parser.feed(data), lambda: parser.feed(b""), parser.end):
        if parser.head is None:
            break
        with pytest.raises(Malformed):
            ask()


@pytest.mark.parametrize(
    ("data", "body", "message"),
    [
        (b"", b"", "without a response"),
        (b"HTTP/1.1 200", b"", "without a response"),
        (OK + b"Content-Length: 3\r\n\r\nab", b"ab", "within the body"),
        (CHUNKED + b"3\r\nab", b"ab", "within the body"),
        (CHUNKED + b"2\r\nab\r\n", b"ab", "within the body"),
        (CHUNKED + b"2\r\nab\r\n0\r\n", b"ab", "within the body"),
        (CHUNKED, b"", "within the body"),
    ],
)
def test_an_end_that_comes_too_early_is_malformed(data: bytes, body: bytes, message: str) -> None:
    """C36: what came before it stands."""
    parsed = parse(data, end=True)
    assert parsed.body == body
    assert message in (parsed.error or "")


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """RFC 9112 §6.3, rule 8."""
    parsed = parse(OK + b"\r\nab", b"cd", end=True)
    assert (parsed.body, parsed.done, parsed.reusable, parsed.error) == (b"abcd", True, False, None)
    assert not parse(OK + b"\r\nab").done


def test_an_end_behind_a_complete_response_is_none_of_its_business() -> None:
    parsed = parse(OK + b"Content-Length: 1\r\n\r\na", end=True)
    assert (parsed.done, parsed.reusable, parsed.error) == (True, False, None)


def test_the_answer_to_head_has_no_body() -> None:
    """Whatever its fields say; what follows is surplus."""
    parsed = parse(OK + b"Content-Length: 3\r\n\r\n", bodyless=True)
    assert (parsed.done, parsed.reusable) == (True, True)
    assert not parse(OK + b"Content-Length: 3\r\n\r\nabc", bodyless=True).reusable


def test_what_stands_before_a_malformed_chunk_is_delivered() -> None:
    """The error comes with the next look."""
    parser = ResponseParser()
    assert parser.feed(CHUNKED + b"1\r\na\r\n1\r\nb\r\nx\r\n") == b"ab"
    assert parser.error is not None
    with pytest.raises(Malformed):
        parser.feed(b"more")
    with pytest.raises(Malformed):
        parser.end()


def test_a_folded_field_is_one_field() -> None:
    """RFC 9112 §5.2: a client replaces the fold by a space."""
    parsed = parse(OK + b"X: a\r\n \t b\r\nContent-Length: 0\r\n\r\n")
    assert ("X", "a b") in parsed.fields


def test_fields_keep_their_order_their_case_and_their_bytes() -> None:
    parsed = parse(OK + b"X-A: \t1 2 \r\nx-a:\xe4\r\nContent-Length: 0\r\n\r\n")
    assert parsed.fields[:2] == [("X-A", "1 2"), ("x-a", "\xe4")]


@pytest.mark.parametrize(("line", "size"), [(b"0", 0), (b"ff", 255), (b"FF ; a", 255), (b'1;a="b c"', 1)])
def test_chunk_sizes(line: bytes, size: int) -> None:
    assert chunk_size(line) == size


BODIES = st.binary(max_size=60)
SIZES = st.lists(st.binary(min_size=1, max_size=30), max_size=6)
EXTENSIONS = st.sampled_from([b"", b";a", b" ; a=b"])


@st.composite
def responses(draw: Any) -> bytes:
    """Responses of all framings, some of them damaged."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * draw(st.integers(0, 2))
    kind = draw(st.sampled_from(["length", "chunked", "close", "both"]))
    body = draw(BODIES)
    if kind in {"chunked", "both"}:
        chunks = [b"%x%b\r\n%b\r\n" % (len(each), draw(EXTENSIONS), each) for each in draw(SIZES)]
        trailer = b"T: 1\r\n" * draw(st.integers(0, 2))
        body = b"".join(chunks) + b"0\r\n" + trailer + b"\r\n"
    fields = {
        "length": b"Content-Length: %d\r\n" % len(body),
        "chunked": b"Transfer-Encoding: chunked\r\n",
        "close": b"",
        "both": b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
    }[kind]
    whole = bytearray(
        hints + OK + b"Server: x\r\n" + fields + b"\r\n" + body + draw(st.sampled_from([b"", b"", b"HT"]))
    )
    for _ in range(draw(st.integers(0, 2))):
        whole[draw(st.integers(0, len(whole) - 1))] = draw(st.sampled_from(b"\r\n\x00 :;01aFg\xff"))
    return bytes(whole)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=responses(), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_any_cut_of_the_input_gives_the_same_result(data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    whole = parse(data, end=True)
    assert parse(*pieces, end=True) == whole
    assert parse(*[data[at : at + 1] for at in range(len(data))], end=True) == whole


def by_h11(data: bytes) -> Parsed:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    parsed = Parsed()
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while not parsed.done:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                parsed.status = event.status_code
                parsed.fields = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in event.headers.raw_items()]
            elif isinstance(event, h11.Data):
                parsed.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                parsed.done = True
    except h11.RemoteProtocolError as error:
        parsed.error = str(error)
    return parsed


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=responses())
def test_what_is_accepted_is_what_h11_accepts(data: bytes) -> None:
    """An independent reader sees the same head and the same body, or we refuse what it takes.

    But for white space before a chunk extension, which RFC 9112 §7.1.1 allows and h11 does not.
    """
    assume(b" ;" not in data)
    ours, theirs = parse(data, end=True), by_h11(data)
    if ours.error is None:
        assert theirs.error is None
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
        assert ours.fields == theirs.fields


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(OK + b"X:" + b" " * 90_000 + b"\x00" + b"\r\n\r\n", id="white-space"),
        pytest.param(OK + b"a" * 99_000 + b"\r\n\r\n", id="name"),
        pytest.param(OK + b"Content-Length: " + b"," * 90_000 + b"\r\n\r\n", id="commas"),
        pytest.param(OK + b"X: a\r\n" + b" \r\n" * 30_000 + b"\r\n", id="folds"),
        pytest.param(b"HTTP/1.1 200 " + b" " * 99_000 + b"\x00\r\n\r\n", id="reason"),
        pytest.param(CHUNKED + (b"1" + b" " * 4000 + b"\x00\r\n") * 25, id="chunk-size"),
        pytest.param(CHUNKED + b"1;" + b"; " * 2000 + b"\r\na\r\n", id="extensions"),
        pytest.param(CHUNKED + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n", id="tiny-chunks"),
    ],
)
def test_the_worst_text_takes_linear_time(data: bytes) -> None:
    """G79: twice the text takes about twice the time; a quadratic pattern would take seconds, byte by byte minutes."""
    began = time.process_time()
    parse(data)
    parse(*[data[at : at + 1] for at in range(len(data))])
    assert time.process_time() - began < 20
