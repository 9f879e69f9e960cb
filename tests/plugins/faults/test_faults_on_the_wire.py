"""Each fault, once, as a client sees it that knows nothing of the server.

Ids carry the numbers of the list of faults that the project has to survive.
"""

import gzip
import json
import zlib
from time import monotonic

import pytest
from attrs import evolve

from unbroken_faults import Fault, FaultServer, faults, sse

SHORT = "The gate opens."
PREAMBLE = ["message_start", "content_block_start", "ping"]
DELTAS = ["content_block_delta"] * 3
TAIL = ["content_block_stop", "message_delta", "message_stop"]
ALL = PREAMBLE + DELTAS + TAIL


def short(fault: Fault) -> Fault:
    return evolve(fault, text=SHORT)


@pytest.fixture
def see(ask):
    def see(fault: Fault, **options: object):
        with FaultServer([fault]) as server:
            return ask(server, **options)

    return see


@pytest.mark.parametrize(
    ("fault", "events", "ending"),
    [
        pytest.param(Fault(), ALL, "complete", id="ok"),
        pytest.param(faults.sliced(), ALL, "complete", id="sliced"),
        pytest.param(faults.no_content_type(), ALL, "complete", id="B18-no-content-type"),
        pytest.param(Fault(framing="content-length"), ALL, "complete", id="content-length"),
        pytest.param(Fault(framing="close"), ALL, "complete", id="close-delimited"),
        pytest.param(faults.reset(after=4), ALL[:4], "reset", id="C35-reset-after-the-commit"),
        pytest.param(faults.truncate(), ALL[:5], "eof", id="C36-truncated-chunk"),
        pytest.param(faults.bad_chunk(), ALL[:5], "nonsense", id="C36-bad-chunk-size"),
        pytest.param(Fault(framing="content-length", after=5, then="close"), ALL[:5], "eof", id="C36-short"),
        pytest.param(faults.cut(), ALL[:5], "complete", id="C37-chunked"),
        pytest.param(faults.cut(how="close"), ALL[:5], "eof", id="C37-no-last-chunk"),
        pytest.param(Fault(framing="close", after=5, then="end"), ALL[:5], "complete", id="C37-close"),
        pytest.param(Fault(framing="content-length", after=5, then="end"), ALL[:5], "complete", id="C37-length"),
        pytest.param(faults.omit_terminal(), ALL[:-1], "complete", id="C37-no-terminal-event"),
        pytest.param(faults.stall(after=0), [], "silence", id="C40-silence-after-the-headers"),
        pytest.param(faults.stall(), ALL[:5], "silence", id="C40-stall"),
        pytest.param(faults.keep_open(), ALL, "silence", id="C44-keep-open"),
        pytest.param(faults.keep_open(sse("ping", {})), [*ALL, "ping"], "silence", id="C44-garbage"),
        pytest.param(faults.reset_after_end(), ALL, "reset", id="C44-reset"),
        pytest.param(faults.error_first(), ["error"], "complete", id="D47-error-first"),
        pytest.param(faults.error_after(), [*ALL[:5], "error"], "complete", id="D48-error-after-content"),
        pytest.param(faults.duplicate(), [*ALL[:4], *ALL[3:]], "complete", id="duplicate"),
    ],
)
def test_which_events_arrive_and_how_the_answer_ends(see, fault, events, ending):
    seen = see(short(fault), silence=0.1)
    assert (seen.status, seen.events, seen.ending) == (200, events, ending)


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        pytest.param(faults.reset(), "reset", id="C35-reset"),
        pytest.param(faults.hang_up(), "eof", id="C39-dead-socket"),
        pytest.param(faults.silence(), "silence", id="C40-no-answer"),
        pytest.param(faults.not_http(), "nonsense", id="not-http"),
    ],
)
def test_answers_without_a_head(see, fault, ending):
    seen = see(fault, silence=0.1)
    assert (seen.status, seen.ending) == (None, ending)


@pytest.mark.parametrize(
    ("fault", "type"),
    [
        (faults.status(400), "invalid_request_error"),
        (faults.status(401), "authentication_error"),
        (faults.status(418), "invalid_request_error"),
        (faults.rate_limited(), "rate_limit_error"),
        (faults.server_error(), "api_error"),
        (faults.status(599), "api_error"),
        (faults.overloaded(), "overloaded_error"),
        (Fault(status=500, error="made_up_error"), "made_up_error"),
    ],
    ids=lambda value: f"B22-{value.status}" if isinstance(value, Fault) else value,
)
def test_a_refusal_carries_the_error_object_of_its_status(see, fault, type):
    seen = see(fault)
    error = json.loads(seen.body)
    assert (seen.status, error["type"], error["error"]["type"]) == (fault.status, "error", type)
    assert error["request_id"] == seen.header("request-id")
    assert seen.header("content-type") == "application/json"


def test_b30_the_hint_is_sent_as_it_is_and_twice_if_asked(see):
    assert see(faults.rate_limited(retry_after=0.2)).header("retry-after") == "0.2"
    twice = see(Fault(status=429, headers=[("Retry-After", "1"), ("Retry-After", "٣")]))
    assert [value for name, value in twice.headers if name == "retry-after"] == ["1", "٣".encode().decode()]


def test_b32_a_spend_limit_is_in_the_details(see):
    error = json.loads(see(faults.spend_limit()).body)["error"]
    assert error["details"] == {"error_code": "enforced_spend_limit_reached"}


def test_b16_a_captive_portal_is_html_with_a_200(see):
    seen = see(faults.captive_portal())
    assert (seen.status, seen.header("content-type")) == (200, "text/html")
    assert seen.body.startswith(b"<!doctype html>")


def test_b17_an_error_object_with_a_200(see):
    seen = see(faults.json_error())
    assert (seen.status, seen.header("content-type")) == (200, "application/json")
    assert json.loads(seen.body)["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_b17_an_error_object_with_a_200_is_the_one_of_the_api(ask, path):
    with FaultServer([faults.json_error()]) as server:
        seen = ask(server, path=path)
    error = json.loads(seen.body)["error"]
    assert (seen.status, seen.header("content-type")) == (200, "application/json")
    assert (error["code"], error["message"]) == ("server_is_overloaded", "Said with a 200")


def test_b18_no_content_type_is_none_at_all(see):
    assert see(faults.no_content_type()).header("content-type") is None


def test_b19_no_content_has_no_body_and_no_length(see):
    seen = see(faults.no_content())
    assert (seen.status, seen.body, seen.header("content-length")) == (204, b"", None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_b20_a_redirect_has_its_location(see, status):
    seen = see(evolve(faults.redirect("https://elsewhere.test/", status=status), connection="close"))
    assert (seen.status, seen.header("location")) == (status, "https://elsewhere.test/")


@pytest.mark.parametrize("size", [10, 65_536, 200_001])
def test_b24_a_huge_error_body_has_its_announced_length(see, size):
    seen = see(faults.huge_error(size=size))
    assert (seen.status, len(seen.body), seen.header("content-length")) == (500, size, str(size))


def test_b25_an_error_body_may_be_any_bytes(see):
    assert see(Fault(status=500, body=b"\xff\xfe" + b"[" * 100_000)).body == b"\xff\xfe" + b"[" * 100_000


def test_b26_gzip_is_a_proper_gzip_of_the_stream(see):
    seen = see(short(faults.gzip()))
    assert seen.header("content-encoding") == "gzip"
    assert gzip.decompress(seen.body) == see(Fault(text=SHORT)).body


def test_b26_a_bomb_is_small_on_the_wire(see):
    seen = see(faults.gzip_bomb(size=3_000_000))
    assert len(seen.body) < 10_000
    assert len(zlib.decompress(seen.body, wbits=31)) == 3_000_000


def test_b27_early_hints_come_before_the_answer_or_for_ever(see):
    seen = see(short(faults.early_hints(times=3, interval=0.001)))
    assert (seen.hints, seen.status, seen.events) == (3, 200, ALL)
    endless = see(faults.early_hints(interval=0.001), limit=1_000)
    assert endless.hints > 5
    assert endless.status is None


def test_b28_many_headers_and_a_huge_one(see):
    assert see(faults.many_headers(count=5_000)).header("x-padding-4999") == "x"
    assert len(see(faults.huge_header()).header("x-padding")) == 200_000


def test_b29_both_lengths(see):
    head = see(faults.both_lengths()).raw.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\ncontent-length: " in head
    assert b"\r\ntransfer-encoding: chunked" in head


def test_raw_bytes_in_headers_and_an_own_framing(see):
    seen = see(Fault(headers=[(b"x-raw", b"\xff"), ("transfer-encoding", "gzip, chunked")], framing="close"))
    assert b"\r\nx-raw: \xff\r\n" in seen.raw
    assert see(Fault(headers={"Content-Length": "nonsense"}, body="x")).ending == "nonsense"


@pytest.mark.parametrize(
    ("fault", "repeated"),
    [
        pytest.param(faults.pings(interval=0.002), b"event: ping\ndata: ", id="C40-pings"),
        pytest.param(faults.comments(interval=0.002), b": keep-alive\n\n", id="C40-A3-comments"),
        pytest.param(faults.comments(after=0, interval=0), b": keep-alive\n\n", id="A3-endless-comments"),
        pytest.param(faults.endless_line(), b"x" * 65_536, id="A1-endless-line"),
        pytest.param(faults.endless_data(), b"data: water\n", id="A2-endless-data"),
        pytest.param(faults.endless_comment(), b" " * 65_536, id="A4-endless-comment"),
    ],
)
def test_what_never_ends(see, fault, repeated):
    seen = see(fault, limit=200_000 if len(fault.insert) > 100 else 2_500)
    assert seen.ending == ""
    assert seen.body.count(repeated) > 2


def test_c41_a_drip_is_one_byte_per_chunk(see):
    seen = see(Fault(events=["data: 1\n\n", "data: 2\n\n"], after=1, then="drip", interval=0.001))
    assert (seen.body, seen.ending) == (b"data: 1\n\ndata: 2\n\n", "complete")
    assert seen.raw.count(b"\r\n1\r\n") == 9


def test_a_head_can_drip_too(see):
    fault = Fault(before_head=True, then="drip", body="hello")
    assert len(see(evolve(fault, interval=0.005), limit=10).raw) < 20
    seen = see(fault)
    assert (seen.body, seen.ending) == (b"hello", "complete")


def test_cut_at_a_byte(see):
    whole = see(Fault()).body
    seen = see(Fault(after_bytes=321, then="end"))
    assert seen.body == whole[:321]
    assert see(Fault(after_bytes=10**9, insert="|", then="close")).body == whole + b"|"


def test_garbage_lies_between_two_events(see):
    seen = see(short(faults.garbage(data="data: {\n\n", after=4)))
    before, after = seen.body.split(b"data: {\n\n")
    assert (before.count(b"event:"), after.count(b"event:")) == (4, 5)


def test_latency_comes_before_the_first_byte(see):
    started = monotonic()
    assert see(Fault(latency=0.05)).ending == "complete"
    assert monotonic() - started >= 0.05


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        pytest.param(Fault(body=b"x" * 1_000, bandwidth=20_000), 0.05, id="bandwidth"),
        pytest.param(Fault(body=b"x" * 1_000, slice_size=200, slice_delay=0.01), 0.05, id="slices"),
    ],
)
def test_pace(see, fault, least):
    started = monotonic()
    assert see(fault).body == b"x" * 1_000
    assert monotonic() - started >= least


def test_slices_are_chunks_of_the_sizes_asked_for(see):
    seen = see(Fault(events=["data: 0123456789\n\n"], slice_size=7))
    assert seen.raw.partition(b"\r\n\r\n")[2] == b"7\r\ndata: 0\r\n7\r\n1234567\r\n4\r\n89\n\n\r\n0\r\n\r\n"


def test_own_events_are_json_or_bytes_and_need_no_conversation(see):
    fault = Fault(events=[{"type": "ping"}, b"data: [DONE]\n\n"])
    seen = see(fault, path="/anything", method="GET")
    assert seen.body == b'event: ping\ndata: {"type":"ping"}\n\ndata: [DONE]\n\n'
    assert see(Fault(events=())).body == b""


def test_an_error_event_has_the_words_of_its_http_twin(see):
    data = see(faults.error_first("rate_limit_error")).body.partition(b"data: ")[2]
    assert json.loads(data)["error"] == {
        "type": "rate_limit_error",
        "message": "This request would exceed your rate limit",
    }
    assert b"hello \\u001b[31m" in see(Fault(error="x", message="hello \x1b[31m")).body
