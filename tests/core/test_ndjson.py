"""The NDJSON decoder: line ends, keep-alives, the last line, and what is not read."""

import pytest

from unbroken.dialect import Dialect
from unbroken.errors import EventTooLargeError
from unbroken.messages import Event
from unbroken.ndjson import NDJSONDecoder, encode

BOM = b"\xef\xbb\xbf"


def decode(stream: bytes) -> tuple[list[bytes], int]:
    """Return the data of the events, and the number of keep-alives; one byte at a time gives the same."""
    decoder, slow = NDJSONDecoder(), NDJSONDecoder()
    events = decoder.feed(stream) + decoder.close()
    pieces = [slow.feed(stream[at : at + 1]) for at in range(len(stream))]
    assert [event for piece in pieces for event in piece] + slow.close() == events
    assert slow.comments == decoder.comments
    return [event.raw for event in events], decoder.comments


@pytest.mark.parametrize(
    ("stream", "lines", "comments"),
    [
        pytest.param(b"", [], 0, id="nothing"),
        pytest.param(b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}'], 0, id="lf"),
        pytest.param(b"{}\r\n[]\r\n", [b"{}", b"[]"], 0, id="crlf"),
        pytest.param(b"{}\r\r\n", [b"{}\r"], 0, id="one-cr-is-dropped"),
        pytest.param(b'{\r"a":1}\n', [b'{\r"a":1}'], 0, id="lone-cr-is-whitespace"),
        pytest.param(b'{"a":"\xe2\x80\xa8\xc2\x85"}\n', [b'{"a":"\xe2\x80\xa8\xc2\x85"}'], 0, id="other-line-ends"),
        pytest.param(b' {"a":1} \n', [b' {"a":1} '], 0, id="spaces-stay"),
        pytest.param(b'1\nnull\n"x"\n', [b"1", b"null", b'"x"'], 0, id="scalars"),
        pytest.param(b"no json\n", [b"no json"], 0, id="the-text-is-not-read"),
        pytest.param(b"\n{}\n\r\n \t\r\n\n", [b"{}"], 4, id="blank-lines"),
        pytest.param(b"\v\n", [b"\v"], 0, id="other-whitespace-is-not-blank"),
        pytest.param(BOM + b"{}\n" + BOM + b"{}\n", [b"{}", BOM + b"{}"], 0, id="bom-at-the-start"),
        pytest.param(BOM[:2] + b"{}\n", [BOM[:2] + b"{}"], 0, id="half-a-bom"),
        pytest.param(BOM + b"\n", [], 1, id="bom-and-a-blank-line"),
        pytest.param(BOM + b"{}", [b"{}"], 0, id="bom-and-a-last-line"),
    ],
)
def test_lines_are_events_and_blank_lines_are_counted(stream: bytes, lines: list[bytes], comments: int) -> None:
    """LF and CRLF end a line, and JSON's whitespace alone is no event."""
    assert decode(stream) == (lines, comments)


@pytest.mark.parametrize(
    ("end", "last"),
    [
        pytest.param(b'{"done":true}', b'{"done":true}', id="object"),
        pytest.param(b" [1, 2] ", b" [1, 2] ", id="array"),
        pytest.param(b"{}\r", b"{}", id="half-a-crlf"),
        pytest.param(b'{"a":"\xff"}', b'{"a":"\xff"}', id="invalid-utf8"),
        pytest.param(b'{"done":tru', None, id="cut"),
        pytest.param(b"[1, 2", None, id="cut-array"),
        pytest.param(b"{}{", None, id="more-than-one"),
        pytest.param(b"12", None, id="number-that-may-go-on"),
        pytest.param(b'"x"', None, id="text"),
        pytest.param(b"null", None, id="null"),
        pytest.param(b"[" * 100_000, None, id="deep"),
        pytest.param(b"  ", None, id="blank"),
        pytest.param(BOM[:2], None, id="half-a-bom"),
    ],
)
def test_the_end_completes_a_whole_object_or_array_only(end: bytes, last: bytes | None) -> None:
    """A server may leave out the last LF; what was cut is discarded."""
    for stream in (end, b"[]\n" + end):
        decoder = NDJSONDecoder()
        decoder.feed(stream)
        assert not decoder.at_boundary
        assert [event.raw for event in decoder.close()] == ([] if last is None else [last])
        assert decoder.at_boundary
        assert decoder.close() == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_end_of_a_line_does_not_count(end: bytes) -> None:
    """But a CR that does not belong to it does, and so does whitespace."""
    assert len(NDJSONDecoder(8).feed(b'{"a":12}' + end)) == 1
    decoder = NDJSONDecoder(8)
    assert decoder.feed(b'{"a":12}\r') == []
    with pytest.raises(EventTooLargeError, match=r"^a line is larger than 8 bytes$"):
        decoder.feed(b" ")
    with pytest.raises(EventTooLargeError):
        NDJSONDecoder(8).feed(b" " * 9 + end)


def test_events_carry_the_request_id_and_the_dialect() -> None:
    """Also that of the last line."""
    dialect = Dialect()
    decoder = NDJSONDecoder(request_id="req_1", dialect=dialect)
    events = decoder.feed(b'{"a":1}\n{}') + decoder.close()
    assert [(event.type, event.id, event.request_id, event._dialect) for event in events] == [
        ("message", "", "req_1", dialect)
    ] * 2
    assert (decoder.last_event_id, decoder.retry) == ("", None)


def test_an_encoded_event_is_one_line() -> None:
    """Line ends between the tokens become spaces, so that nothing of the JSON is lost."""
    assert encode(Event("x", b'{\r\n  "a": 1\n}', "7")) == b'{    "a": 1 }\n'
