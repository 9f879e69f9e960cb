"""`unbroken demo --storm`: the load on a server that is down, in virtual time."""

import io
import json

import pytest
from rich.console import Console

from unbroken_circuit_breaker import CircuitBreaker
from unbroken_cli.demo._storm import CALLS, DOWN, PROTECTIONS, SPAN, UP, Storm, simulate
from unbroken_cli.demo.storm import report
from unbroken_retry import Retry, RetryBudget


@pytest.fixture(scope="module")
def storm() -> Storm:
    return simulate(seed=0)


def test_every_call_is_made_once_under_each_protection(storm):
    """All begin at the same moments, some of them during the outage."""
    began = [sorted(call.began for call in course.calls) for course in storm.courses]
    assert all(len(moments) == CALLS for moments in began)
    assert all(moments == began[0] for moments in began)
    assert sum(DOWN <= moment < UP for moment in began[0]) > CALLS / 5


def test_retries_alone_multiply_the_load(storm):
    """Four attempts of each call, and no answer from any of them."""
    assert 3.8 < storm.named("retries").load <= 4.0


def test_the_budget_bounds_the_load(storm):
    """One retry for five calls, a tenth of one per second, and one in reserve."""
    course = storm.named("budget")
    during = sum(DOWN <= call.began < UP for call in course.calls)
    assert course.requests_while_down <= 1.2 * during + 0.1 * (UP - DOWN) + 2


def test_the_breaker_lets_probes_through(storm):
    """Until it opens there are five requests; then one per try, 7.5 s apart at the least."""
    assert storm.named("breaker").requests_while_down <= 5 + (UP - DOWN) / 7.5


def test_both_together_are_best(storm):
    """The load is less than without them, and no more than with one of them."""
    load = {course.protection.name: course.load for course in storm.courses}
    assert load["both"] <= load["breaker"] < load["budget"] < load["retries"]
    assert storm.named("both").longest <= storm.named("retries").longest


def test_calls_after_the_recovery_are_answered(storm):
    """The circuit closes within half a minute, and each call before the outage was answered, too."""
    for course in storm.courses:
        assert course.well_after <= 30.0
        assert all(call.answered for call in course.calls if call.began > UP + 30.0 or call.ended < DOWN)


def test_the_requests_over_time_are_all_requests(storm):
    """Also those that are sent after the last call has begun."""
    for course in storm.courses:
        assert sum(course.requests_over_time) == len(course.sent_at)


def test_the_same_seed_gives_the_same_numbers():
    """And another seed gives others."""
    one, two, other = (simulate(seed, calls=60).document()["courses"] for seed in (3, 3, 4))
    assert one == two
    assert one != other


def test_nothing_fails_where_nothing_is_called():
    """The numbers of no calls."""
    course = simulate(calls=1, protections=PROTECTIONS[:1]).courses[0]
    assert course.answered + (course.load > 0) == 1
    assert course.well_after == 0.0


@pytest.mark.parametrize("width", [40, 80])
def test_the_report_fits_the_terminal(storm, width):
    """The last line has the number that counts."""
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    report(storm, out)
    lines = out.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert f"{storm.named('retries').load:.2f} requests per call" in " ".join(out.file.getvalue().split())


def test_the_command_prints_the_report(invoke, monkeypatch, storm):
    """It exits with 0 when every protection lowered the load."""
    monkeypatch.setattr("unbroken_cli.demo.storm.simulate", lambda seed: storm)
    result = invoke("demo", "--storm", "--seed", "5")
    assert result.exit_code == 0
    assert "from retries alone" in result.stdout


def test_the_command_prints_json(invoke, monkeypatch, storm):
    """The numbers of each protection, none of real time; 1 where a protection did not help."""
    monkeypatch.setattr("unbroken_cli.demo.storm.simulate", lambda seed: storm)
    document = json.loads(invoke("demo", "--storm", "--json").stdout)
    assert document["ok"] is True
    assert [course["name"] for course in document["courses"]] == ["retries", "budget", "breaker", "both"]
    useless = Storm([storm.courses[0]] * 2, 0, 0.0)
    monkeypatch.setattr("unbroken_cli.demo.storm.simulate", lambda seed: useless)
    assert invoke("demo", "--storm", "--json").exit_code == 1


@pytest.mark.parametrize("option", [["--only", "no-fault"], ["--async"], ["--metrics"], ["--dialect", "openai"]])
def test_options_of_the_rows_are_refused(invoke, option):
    """They would have no meaning."""
    result = invoke("demo", "--storm", *option)
    assert result.exit_code == 2
    assert "--seed" in result.stderr


def test_the_calls_begin_within_the_time():
    """The outage is in the middle."""
    assert 0 < DOWN < UP < SPAN


@pytest.mark.parametrize("protection", PROTECTIONS[:3], ids=lambda it: it.name)
def test_the_settings_that_are_printed_are_those_that_were_used(protection):
    names = {"Retry": Retry, "RetryBudget": RetryBudget, "CircuitBreaker": CircuitBreaker}
    told = eval(f"[{protection.settings}]", names)  # code of our own
    assert [plugin.config for plugin in told] == [plugin.config for plugin in protection.plugins()]
