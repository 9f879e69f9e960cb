"""Monitoring Recommendations."""

import logging

import pytest

from unbroken import AuthenticationError
from unbroken_logging import Logging
from unbroken_metrics import Metrics
from unbroken_retry import Retry


def test_records_reach_a_logging_service_through_standard_logging(chat, failed, answer, caplog) -> None:
    """Logging Configuration: level, logger and message, with the id of the request in each."""
    caplog.set_level(logging.INFO)
    records = Logging(sink="stdlib")
    handler = chat.handler([failed(529, "overloaded_error"), answer()], proxy=True, plugins=[records, Retry()])
    chat.events(handler, {"messages": []})
    assert records.flush(10)
    records.close()
    told = [(record.levelname, record.name) for record in caplog.records]
    assert told == [("WARNING", "unbroken"), ("INFO", "unbroken")]
    request_id = chat.requests[0].headers["x-request-id"]
    assert all(request_id in record.getMessage() for record in caplog.records)


def test_the_metrics_to_track_are_counted(chat, failed, answer) -> None:
    """Metrics to Track: requests, latency, errors by type, retries, what is active, tokens."""
    metrics = Metrics()
    script = [failed(529, "overloaded_error"), answer(), answer(), failed(401, "authentication_error")]
    generator = chat.generator(script, plugins=[metrics, Retry()])
    chat.send(generator, "Hello")
    chat.send(generator, "Hello")
    with pytest.raises(AuthenticationError):
        chat.send(generator, "Hello")
    total = metrics.snapshot().total
    assert (total.ended, total.success_rate) == (3, pytest.approx(2 / 3))
    assert total.duration.p50 <= total.duration.p95 <= total.duration.p99
    assert total.duration.p99 == pytest.approx(1.0, abs=0.11)  # the call that backed off
    assert total.attempt_errors == {"OverloadedError": 1, "AuthenticationError": 1}
    assert total.retries == {"OverloadedError": 1}
    assert (total.streams_in_flight, total.connections_in_flight) == (0, 0)
    assert total.tokens["final"]["output"] == 14
