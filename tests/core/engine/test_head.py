"""The head of a response is judged before the first byte of the stream is parsed."""

from itertools import product

import pytest

from unbroken import ContentTypeError, StreamError, ValidationError
from unbroken._engine.head import check_head, printable
from unbroken.dialect import Dialect
from unbroken.headers import Headers
from unbroken.messages import Response, Timeouts
from unbroken.testing import STALL, Answer


def head(status: int = 200, **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    return Response(status_code=status, headers=headers)


def checked(response: Response) -> bool | None:
    return check_head(response, Dialect().media_types)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/event-stream", "text/event-stream"),
        ("Text/Event-Stream", "text/event-stream"),
        (" text/event-stream ; charset=latin-1", "text/event-stream"),
        ("text/event-stream;", "text/event-stream"),
        ("text/event-streams", "text/event-streams"),
        ("text/plain, text/event-stream; charset=utf-8", "text/event-stream"),
        ("text/event-stream, text/html", "text/html"),
        ('text/event-stream; title="a, b"', "text/event-stream"),
        ("text/event-stream, ", "text/event-stream"),
        ("event-stream", ""),
        ("", ""),
    ],
)
def test_B18_media_types_are_compared_without_parameters_and_case(value, expected):
    """RFC 9110 §8.3.1. Of several, the last valid one counts."""
    assert head(content_type=value).headers.media_type == expected
    assert checked(head(content_type=value)) is (expected == "text/event-stream" if expected else None)


@pytest.mark.parametrize("encoding", ["identity", "", " Identity ", "none", "UTF-8", "utf8", "identity, None"])
def test_B26_an_identity_encoding_is_none(encoding):
    """RFC 9110 §12.5.3: some servers say so."""
    assert checked(head(content_type="text/event-stream", content_encoding=encoding))


def test_what_is_not_printable_is_a_space():
    """No line break, escape or mark of direction can get into a message."""
    assert printable("a\r\n\x1b[31m\u202eb\u2028") == "a   [31m b "


def test_B28_256_fields_are_accepted():
    """The limit itself."""
    fields = [("content-type", "text/event-stream"), *[(f"x-{number}", "") for number in range(255)]]
    assert checked(Response(status_code=200, headers=Headers(fields)))
    with pytest.raises(StreamError, match="257 header fields, more than 256"):
        checked(Response(status_code=200, headers=Headers([*fields, ("x-one-more", "")])))


def test_a_status_is_judged_before_the_content_type():
    """An error page may call itself a stream."""
    assert checked(head(500, content_type="text/event-stream")) is False


def test_E68_a_page_that_repeats_a_key_does_not_get_it_into_the_error(play):
    """Also when the cut would leave half of it."""
    page = b"<html>" + b"." * 185 + b" sk-ant-api03-CANARY0123456789 eyJhbGciOiJIUzI1NiJ9.CANARY Bearer CANARY"
    played = play([Answer(headers={"content-type": "text/html"}, body=page)])
    assert isinstance(played.error, ContentTypeError)
    assert "CANARY" not in str(vars(played.error))
    assert "sk-ant" not in str(played.error)
    assert len(played.error.body) == 200


def test_a_content_type_is_sanitised_and_bounded(play):
    """It comes from whoever answers."""
    played = play([Answer(headers={"content-type": "x\x1b[31m" + "y" * 1000})])
    assert played.error.content_type == "x [31m" + "y" * 74
    assert "\x1b" not in str(played.error)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000])
def test_B24_of_an_error_body_64_kib_are_read(play, size):
    """Not a byte more is given to the dialect; the connection is kept only when that was all."""
    seen = []

    class Curious(Dialect):
        def error_from_response(self, response, body):
            seen.append(body)
            return ValidationError("x")

    chunks = [bytes(1000)] * (size // 1000) + [bytes(size % 1000)]
    played = play([Answer(status=400, body=chunks)], dialect=Curious())
    assert isinstance(played.error, ValidationError)
    assert len(seen[0]) == min(size, 65_536)
    assert [exchange.released for exchange in played.transport.exchanges] == [size < 65_536]


def test_B24_an_error_body_may_take_five_seconds(play):
    """What was read until then counts."""
    played = play([Answer(status=400, body=[b'{"message": "tell', 2.0, b' me"}', STALL])])
    assert played.elapsed == 5.0
    assert played.error.message == "HTTP 400: tell me"


@pytest.mark.parametrize(
    "start", [b"data: a", b"event: x\ndata: a", b": comment\n\ndata: a", b"\n\nid\ndata:a", b"\xef\xbb\xbfdata: a"]
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in-pieces"])
def test_without_a_content_type_the_first_bytes_tell_a_stream(play, start, cut):
    """A field of SSE or a comment, however it is cut; blank lines and a byte order mark may be before it."""
    body = start + b"\n\n"
    played = play([Answer(headers={}, body=[bytes([byte]) for byte in body] if cut else body)])
    assert played.error is None
    assert played.data == ["a"]


@pytest.mark.parametrize(
    ("start", "cut"),
    [
        *product([b"", b"<html>", b"dat", b"data", b"{}", b"datum: a\n\n", b" data: a\n\n"], [1, 1000]),
        *product([b"\n" * 70_000], [1000, 100_000]),
    ],
)
def test_without_a_content_type_anything_else_is_no_stream(play, start, cut):
    """A page, nothing at all, and blank lines without end."""
    body = [start[at : at + cut] for at in range(0, len(start), cut)]
    error = play([Answer(headers={}, body=body)]).failure
    assert isinstance(error, ContentTypeError)
    assert "no content type" in error.message


def test_the_first_bytes_have_the_time_of_the_first_event(play):
    """A head without a content type and then silence is the same silence."""
    played = play([Answer(headers={}, body=[4.0, b"da", STALL])], timeouts=Timeouts(first_event=10))
    assert (played.failure.timeout, played.elapsed) == ("first_event", 10.0)
    assert played.failure.phase == "headers"


def test_of_blank_lines_64_kib_are_read(play):
    """Then it is no stream, though the server has not ended, and there is enough of an error body."""
    played = play([Answer(headers={}, body=[b"\n" * 32_768, b"\n" * 32_768, STALL])], timeouts=Timeouts(first_event=60))
    assert isinstance(played.failure, ContentTypeError)
    assert played.elapsed == 0.0


def test_the_first_bytes_are_enough(play):
    """The event that they complete is delivered before there are more."""
    played = play([Answer(headers={}, body=[b"data: a\n\n", STALL])], consume=lambda event: False)
    assert (played.data, played.elapsed) == (["a"], 0.0)


@pytest.mark.parametrize(
    ("status", "said"),
    [(199, "no stream"), (202, "no stream"), (299, "no stream"), (300, "a redirect"), (399, "a redirect")],
)
def test_a_status_below_400_that_has_no_stream_is_named(status, said):
    """A redirect is told apart from the others."""
    with pytest.raises(StreamError, match=f"HTTP {status}: .*{said}"):
        checked(head(status, content_type="text/event-stream"))


def test_201_may_be_a_stream(play):
    """A resource was created, and this is what it says."""
    assert play([Answer(status=201, body=b"data: a\n\n")]).data == ["a"]
