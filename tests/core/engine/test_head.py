"""The head of a response is judged before the first byte of the stream is parsed."""

import pytest

from unbroken import ContentTypeError, StreamError, ValidationError
from unbroken._engine.head import check_head, is_json, media_type, printable
from unbroken.dialect import Dialect
from unbroken.headers import Headers
from unbroken.messages import Response
from unbroken.testing import STALL, Answer


def head(status: int = 200, **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    return Response(status_code=status, headers=headers)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/event-stream", "text/event-stream"),
        ("Text/Event-Stream", "text/event-stream"),
        (" text/event-stream ; charset=latin-1", "text/event-stream"),
        ("text/event-stream;", "text/event-stream"),
        ("text/event-streams", "text/event-streams"),
        ("", ""),
    ],
)
def test_B18_media_types_are_compared_without_parameters_and_case(value, expected):
    """RFC 9110 §8.3.1."""
    assert media_type(head(content_type=value)) == expected
    assert check_head(head(content_type=value)) is (expected == "text/event-stream")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("application/json", True),
        ("application/problem+json; charset=utf-8", True),
        ("text/json", False),
        ("", False),
    ],
)
def test_B17_what_counts_as_json(value, expected):
    """RFC 8259, RFC 6839 §3.1."""
    assert is_json(head(content_type=value)) is expected


@pytest.mark.parametrize("encoding", ["identity", "", " Identity "])
def test_B26_an_identity_encoding_is_none(encoding):
    """RFC 9110 §12.5.3: some servers say so."""
    assert check_head(head(content_type="text/event-stream", content_encoding=encoding))


def test_what_is_not_printable_is_a_space():
    """No line break, escape or mark of direction can get into a message."""
    assert printable("a\r\n\x1b[31m\u202eb\u2028") == "a   [31m b "


def test_B28_256_fields_are_accepted():
    """The limit itself."""
    fields = [("content-type", "text/event-stream"), *[(f"x-{number}", "") for number in range(255)]]
    assert check_head(Response(status_code=200, headers=Headers(fields)))
    with pytest.raises(StreamError, match="257 header fields, more than 256"):
        check_head(Response(status_code=200, headers=Headers([*fields, ("x-one-more", "")])))


def test_a_status_is_judged_before_the_content_type():
    """An error page may call itself a stream."""
    assert check_head(head(500, content_type="text/event-stream")) is False


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
