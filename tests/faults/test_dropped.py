"""FAULTS 78: streams dropped in reference cycles, which the garbage collector ends wherever it comes."""

import gc
import os
import threading
import warnings

from unbroken import Client
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_logging import Logging
from unbroken_metrics import Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

DROPS = int(os.environ.get("UNBROKEN_DROPS", "3000"))
"""How many streams are dropped: 100 000 take about half a minute."""


def test_F78_streams_dropped_in_cycles_neither_hang_nor_miscount(tmp_path) -> None:
    """The default list with limits, metrics and a log; every thing that a call took is given back, and counted once."""
    clock = FakeClock()
    metrics, breaker = Metrics(), CircuitBreaker()
    limiter = RateLimit(requests=1e9, input_tokens=1e12, output_tokens=1e12)
    log = Logging(sink=str(tmp_path / "log"), level="DEBUG", queue_size=100)
    plugins = [log, metrics, Timeout(), Retry(), breaker, limiter]
    transport = ScriptedTransport(lambda _: Answer(body=sse("one", "two", "three")), clock)
    client = Client(plugins, transport=transport, clock=clock)

    def drop() -> None:
        for number in range(DROPS // 3):
            stream = client.stream("POST", "https://api.example.org/v1", json={"max_tokens": 10})
            stream.__enter__()
            next(stream)
            cycle: list[object] = [stream]
            cycle.append(cycle)
            if number % 100 == 0:
                transport.requests.clear()
                transport.exchanges.clear()
                transport.sent_at.clear()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        threads = [threading.Thread(target=drop) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect()
    total = metrics.snapshot().total
    assert (total.calls["cancelled"], total.attempts["cancelled"]) == (DROPS // 3 * 3,) * 2
    assert (total.events, total.streams_in_flight) == (DROPS // 3 * 3, 0)
    [circuit] = breaker.snapshot().values()
    assert (circuit.in_flight, circuit.state) == (0, "closed")
    [queue] = limiter.snapshot().values()
    assert (queue.waiting, queue.in_flight) == (0, 0)
    assert transport.open_exchanges == 0
    log.close()
