"""The tables of the gateway's harness."""

import pytest

from .gateway import report
from .gateway.measure import Figures

ROUNDS = [
    Figures("upstream", {"first-event": 0.001}),
    Figures("bare pass-through", {"request-chat": 0.001, "first-event": 0.002, "idle": 40.0 * 2**20}),
    Figures("bare pass-through", {"request-chat": 0.003, "first-event": 0.002}),
    Figures("bare pass-through", {"request-chat": 0.002, "first-event": 0.002}),
    Figures("Unbroken gateway", {"request-chat": 0.004, "first-event": 0.003, "idle": 60.0 * 2**20}),
    Figures("LiteLLM proxy", {"request-chat": 0.08}),
]


def test_the_table_has_ratios_to_the_pass_through() -> None:
    """Of medians; only memory is told in units, and what was not measured is left out."""
    lines = report.table(report.read(report.as_json(report.medians(ROUNDS)))).splitlines()
    assert lines == [
        "| | bare pass-through | Unbroken gateway | LiteLLM proxy |",
        "|---|---|---|---|",
        "| CPU of a request of 10 events, Chat Completions | 1.00 | 2.00 | 40 |",
        "| time that is added to the first event | 1.00 | 2.00 |  |",
        "| memory, idle | 1.00 (40 MiB) | 1.50 (60 MiB) |  |",
    ]


def test_a_goal_is_met_or_missed_by_so_much() -> None:
    """Goals without figures are not listed."""
    lines = report.goals(report.medians(ROUNDS)).splitlines()[2:]
    assert lines == [
        "| a request of 10 events, chat, to LiteLLM | 0.0833 | 0.05 | met |",
        "| added to the first event, ms | 2 | 2 | met |",
        "| memory, idle, MB | 70 | 62.9 | met |",
    ]


def test_the_table_of_a_page_is_replaced() -> None:
    """What is around the markers stays; a page without them is an error."""
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.replaced(page, "| new |\n") == f"before\n{report.BEGIN}\n\n| new |\n\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="has not both"):
        report.replaced("before", "| new |")
