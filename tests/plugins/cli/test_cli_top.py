"""`unbroken top`: what it reads, what it makes of two readings, how it looks, how it ends."""

import io
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.text import Text

import unbroken_cli.top._command as command
from unbroken.testing import STALL, Answer, FakeClock, play, sse
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_cli.top import Reading, ScrapeError, Top, Window, endpoint, frame, scrape, top
from unbroken_cli.top._frame import sparkline
from unbroken_cli.top._reading import Quantile
from unbroken_metrics import Metrics, PrometheusCollector, start_http_server
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

URL = "http://127.0.0.1:9464/metrics"


def reading(text, at=0.0):
    return Reading.of(text_string_to_metric_families(text), at)


def of(metrics, at=0.0):
    return Reading.of(PrometheusCollector(metrics).collect(), at)


def counters(at=0.0, **numbers):
    return reading("".join(f"unbroken_{name} {number}\n" for name, number in numbers.items()), at)


def shown(renderable, width=100):
    out = Console(file=io.StringIO(), width=width)
    out.print(renderable)
    return out.file.getvalue()


def rows(renderable):
    """By the name of the row."""
    lines = shown(renderable, 300).splitlines()
    return {line[:11].strip(): " ".join(line[11:].split()) for line in lines if line[:1] != " "}


@pytest.fixture
def metrics():
    """Successes with a retry, a stall, an open circuit, a wait."""
    it, clock = Metrics(), FakeClock()
    limiter = RateLimit(requests=60, per=60, burst=1)
    plugins = [it, Timeout(idle=10), Retry(jitter=0, initial_delay=1), CircuitBreaker(failure_threshold=2), limiter]
    good = Answer(latency=0.25, body=[sse("a"), 0.25, sse("b")])
    play([Answer(status=503), good], plugins, clock=clock, json={"model": "m"})
    for _ in range(2):
        play([Answer(body=[sse("a"), STALL])], plugins, clock=clock, json={"model": "m"})
    return it


def test_a_frame_says_everything(metrics):
    """Since the beginning: there is no rate without a second look."""
    found = rows(frame(Window(of(metrics))))
    assert found["calls"] == "3 1 success, 2 failure"
    assert found["success"] == "33.3%"
    assert found["attempts"] == "4, 1 tried again (33% of the calls)"
    assert found["in flight"] == "0 streams, 0 connections"
    assert found["latency"].startswith("p50 ")
    assert found["errors"] == "TimeoutError (idle) 2, ServerError 1"
    assert found["circuits"] == "api.example.org: open"
    assert found["streams"].endswith("2 stalled, 0 truncated")
    assert found["streams"].startswith("4 events, ")
    assert found["waits"] == "rate-limit 1 (0.5 s)"
    assert found["limits"] == found["tokens"] == "-"


def test_two_readings_give_rates():
    """Of the time between them; what is a state stays one."""
    before = counters(10.0, calls_total=5, events_total=100, streams_in_flight=3)
    now = counters(12.0, calls_total=9, events_total=150, streams_in_flight=2)
    window = Window(now, before)
    assert (window.seconds, window.rate("calls_total"), window.rate("events_total")) == (2.0, 2.0, 25.0)
    found = rows(frame(window))
    assert found["calls"].startswith("9 2.0/s")
    assert found["in flight"].startswith("2 streams")


def test_a_process_that_was_restarted_does_not_count_backwards():
    """Its counters begin again at zero, and so does what is shown."""
    window = Window(counters(2.0, calls_total=1), counters(0.0, calls_total=50))
    assert window.total("calls_total") == 1


@pytest.mark.parametrize(
    ("counts", "quantile", "expected"),
    [
        ((4, 4, 4), 0.5, 0.5),
        ((2, 4, 4), 0.5, 1.0),
        ((0, 4, 4), 0.25, 2.0),
        ((0, 0, 4), 0.5, 5.0),
        ((0, 0, 0), 0.5, None),
        ((4, 4, 4), 1.0, 1.0),
        ((0, 4, 4), 0.0, 1.0),
    ],
)
def test_quantiles_are_those_of_prometheus(counts, quantile, expected):
    """Linear within the bucket; beyond the last bound it is the bound; of nothing there is none."""
    text = "# TYPE unbroken_x_seconds histogram\n" + "".join(
        f'unbroken_x_seconds_bucket{{le="{le}"}} {count}\n'
        for le, count in zip(("1.0", "5.0", "+Inf"), counts, strict=True)
    )
    found = Window(reading(text)).quantile("x_seconds", quantile)
    assert (None if found is None else found.value) == expected


@pytest.mark.parametrize("counts", [(0, 0, -4), (5, 3, 1), (3, -1, 4), (-1, -2, 1), (0, 0, 0)])
@pytest.mark.parametrize("quantile", [0.0, 0.5, 0.99, 1.0])
def test_buckets_that_make_no_sense_are_no_failure(counts, quantile):
    """An endpoint may say anything, also as a bound."""
    samples = tuple(
        ("x_seconds_bucket", {"le": le}, float(count)) for le, count in zip(("1", "x", "9"), counts, strict=True)
    )
    Window(Reading(0.0, samples)).quantile("x_seconds", quantile)


@pytest.mark.parametrize(
    ("quantile", "words"),
    [
        (Quantile(0.002, 0.0, 0.005), "< 5 ms"),
        (Quantile(0.007, 0.005, 0.01), "~7 ms"),
        (Quantile(0.375, 0.25, 0.5), "~375 ms"),
        (Quantile(7.5, 5.0, 10.0), "~7.5 s"),
        (Quantile(640.0, 640.0, math.inf), "> 640 s"),
        (Quantile(0.25, 0.25, 0.25), "250 ms"),
        (Quantile(123.4, 123.4, 123.4), "123 s"),
    ],
)
def test_a_quantile_says_how_well_it_is_known(quantile, words):
    """A histogram knows nothing within its first bucket nor beyond its last bound, and little between two."""
    assert str(quantile) == words


def test_short_calls_are_told_apart():
    """Times of 3, 8, 20, 40 and 80 ms are in five buckets."""
    it, clock = Metrics(), FakeClock()
    shown_as = set()
    for latency in (0.003, 0.008, 0.020, 0.040, 0.080):
        play([Answer(latency=latency, body=sse("a"))], [it], clock=clock)
        shown_as.add(str(Window(of(it)).quantile("call_duration_seconds", 1.0)))
    assert shown_as == {"< 5 ms", "~10 ms", "~25 ms", "~50 ms", "~100 ms"}


def test_labels_are_summed_and_what_is_not_of_unbroken_is_left_out():
    """Several series are one number; NaN is none."""
    text = 'unbroken_x{a="1",b="1"} 2\nunbroken_x{a="1",b="2"} 3\nunbroken_x{a="2"} NaN\nother 7\n'
    found = reading(text)
    assert found.by("x", "a") == {("1",): 5.0}
    assert found.total("x") == 5.0
    assert found.total("other") == 0.0


def test_the_thresholds_have_colours(metrics):
    """Those of the alert rules: what is wrong is red."""
    out = Console(file=io.StringIO(), force_terminal=True, width=100, color_system="standard")
    out.print(frame(Window(of(metrics))))
    text = out.file.getvalue()
    assert "\x1b[1;31m33.3%" in text
    assert "\x1b[1;31mopen" in text


def test_a_circuit_that_is_open_comes_first():
    """However many are closed."""
    states = [f'unbroken_circuit_state{{circuit="c",key="k{n:02}",state="closed"}} 1\n' for n in range(30)]
    opened = 'unbroken_circuit_state{circuit="c",key="z",state="open"} 1\n'
    text = shown(frame(Window(reading("".join(states) + opened))))
    assert "c z: open" in text
    assert text.count("closed") == 9
    assert "and 21 more" in text


def test_labels_are_short_where_nothing_is_lost():
    """The usual scheme, port and circuit are left out; another is not; one of two origins is told."""
    circuits = (("default", "https://a.example:443"), ("default", "http://b.example:80"), ("mine", "key"))
    text = "".join(
        f'unbroken_circuit_state{{circuit="{circuit}",key="{key}",state="closed"}} 1\n' for circuit, key in circuits
    )
    found = shown(frame(Window(reading(text))))
    assert "  a.example: closed" in found
    assert "  http://b.example:80: closed" in found
    assert "  mine key: closed" in found
    left = 'unbroken_rate_limit_remaining{{origin="{}",model="m",kind="tokens"}} 5\n'
    one, two = (left.format(f"https://{host}.example:443") for host in "ab")
    assert "m tokens: 5 left" in rows(frame(Window(reading(one))))["limits"]
    assert rows(frame(Window(reading(one + two))))["limits"] == "a.example m tokens: 5 left, b.example m tokens: 5 left"


@pytest.mark.parametrize("width", [24, 40, 80])
def test_a_frame_fits_the_terminal(metrics, width):
    """Names above their values where there is no room beside them; no number is torn from its word."""
    lines = [line.rstrip() for line in shown(frame(Window(of(metrics)), [0.1, None, 0.2]), width).splitlines()]
    assert max(map(len, lines)) <= width
    assert any(line.endswith("0 connections") for line in lines)
    assert any("1 success," in line for line in lines)


def test_what_an_endpoint_says_is_not_obeyed_by_the_terminal():
    """Labels with escape sequences are shown as what they are."""
    text = 'unbroken_attempt_errors_total{error="\x1b[2Jx",timeout=""} 1\nunbroken_waits_total{plugin="\x1b]0;x"} 1\n'
    assert "\x1b" not in shown(frame(Window(reading(text))))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], " 0 ms at most"),
        ([0.0, 0.5, None, 1.0], "▁▅ █ 1.0 s at most"),
        ([0.2], "█ 200 ms at most"),
    ],
)
def test_a_sparkline_has_a_bar_for_each_window(values, line):
    """The greatest is the highest; where nothing ended there is a gap."""
    assert Text("").join(sparkline(values, 60)).plain == line


def test_a_sparkline_has_the_newest_windows_that_fit():
    """Eight at least."""
    assert Text("").join(sparkline([1.0] * 5 + [0.5] * 10, 24)).plain == "▅" * 10 + " 1.0 s at most"
    assert Text("").join(sparkline([1.0] * 15, 5)).plain == "█" * 8 + " 1.0 s at most"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (":9464", URL),
        ("127.0.0.1:9464", URL),
        ("http://127.0.0.1:9464", URL),
        ("http://127.0.0.1:9464/", URL),
        ("https://example.org/a/metrics?x=1", "https://example.org/a/metrics?x=1"),
        ("ftp://example.org/", None),
        ("file:///etc/passwd", None),
        ("http://", None),
        ("host:no-port", None),
        ("", None),
    ],
)
def test_an_endpoint_can_be_written_shortly(text, url):
    """A port alone is this machine; only the web is asked."""
    if url is None:
        with pytest.raises(ValueError, match=r".+"):
            endpoint(text)
    else:
        assert endpoint(text) == url


@contextmanager
def answering(body, status=200):
    """A server that says one thing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"nothing here", 404, "it answers with 404"),
        (b"<html>&nbsp;</html>", 200, "what it answers with is not the text of Prometheus"),
        (b"other_total 1\n", 200, "it has no metrics of Unbroken yet"),
        (b"", 200, "it has no metrics of Unbroken yet"),
        (b"\xff\xfe{", 200, "what it answers with is not the text of Prometheus"),
    ],
    ids=["404", "page", "foreign", "empty", "bytes"],
)
def test_an_endpoint_that_is_none_is_one_line(invoke, body, status, problem):
    """Which says why, and exit code 1."""
    with answering(body, status) as url:
        result = invoke("top", url, "--once")
    assert result.exit_code == 1
    assert result.stderr == f"{url}: {problem}\n"
    assert result.stdout == ""


def test_a_frame_is_printed_once(invoke, metrics):
    """From a real endpoint: the address, the numbers, exit code 0."""
    with start_http_server(0, metrics) as server:
        result = invoke("top", f":{server.port}", "--once")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"http://127.0.0.1:{server.port}/metrics  ")
    assert "TimeoutError (idle) 2" in result.stdout
    with pytest.raises(ScrapeError, match="refused"):
        scrape(server.url, 1.0)
    again = invoke("top", server.url, "--once")
    assert again.exit_code == 1
    assert again.stderr.count("\n") == 1


def test_a_bad_address_is_exit_code_2(invoke):
    """As any bad usage."""
    assert invoke("top", "ftp://example.org").exit_code == 2
    assert invoke("top", ":9464", "--interval", "0").exit_code == 2


def test_without_the_client_library_it_says_what_to_install(invoke, monkeypatch):
    """One line and exit code 2."""
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    result = invoke("top", ":9464", "--once")
    assert result.exit_code == 2
    assert result.stderr == "unbroken top needs prometheus-client: pip install 'unbroken[metrics]'\n"


class Script:
    """Readings and failures, one after the other, then Ctrl-C."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.slept = []

    def read(self, url, timeout):
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tick(self, seconds):
        self.slept.append(seconds)
        if not self._answers:
            raise KeyboardInterrupt


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_it_keeps_trying_until_ctrl_c(monkeypatch, terminal):
    """An endpoint that is down is a line; what was known stays; when it is back, so are the numbers."""
    down = ScrapeError("connection refused")
    script = Script(down, counters(1.0, calls_total=7), down, counters(5.0, calls_total=11))
    monkeypatch.setattr(command, "Top", lambda url, interval: Top(url, interval, script.read))
    out = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    assert top(URL, interval=2.0, once=False, tick=script.tick, out=out) == 0
    text = out.file.getvalue()
    assert f"{URL}: connection refused; trying again" in text
    assert "in the last 4.0 s" in text
    assert "11  1.0/s" in text
    assert script.slept == [2.0] * 4


def test_latency_is_drawn_over_the_windows():
    """A bar for each; where no call ended, a gap; no more than fit."""

    def histogram(at, count):
        name = "unbroken_call_duration_seconds"
        return reading(
            f'# TYPE {name} histogram\n{name}_bucket{{le="1.0"}} {count}\n{name}_bucket{{le="+Inf"}} {count}\n', at
        )

    script = Script(*[histogram(float(number), count) for number, count in enumerate((0, 2, 2, 5))])
    view = Top(URL, 1.0, script.read)
    pictures = [shown(view.look()) for _ in range(4)]
    assert "p95  " not in pictures[0]
    assert "█ █ 950 ms at most" in pictures[3]
