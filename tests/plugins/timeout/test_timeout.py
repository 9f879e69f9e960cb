"""The clocks that the policy sets."""

import math
from types import SimpleNamespace
from typing import Any

import attrs
import cattrs
import pytest

from unbroken.call import Call
from unbroken.dialect import Dialect
from unbroken.errors import ConfigurationError
from unbroken.messages import Request, Timeouts
from unbroken.registry import order_problems
from unbroken_timeout import Timeout, TimeoutConfig


class StoppedClock:
    """Time that stands still."""

    def monotonic(self) -> float:
        return 0.0

    def time(self) -> float:
        return 0.0

    def random(self) -> float:
        return 0.0


def make_call(timeouts: Timeouts | None = None) -> Call:
    request = Request.build("POST", "https://api.example.com/v1", json={"a": 1}, timeouts=timeouts)
    return Call("call-1", request, dialect=Dialect(), clock=StoppedClock(), started_at=0.0)


@pytest.mark.parametrize(
    ("settings", "clocks"),
    [
        pytest.param({}, Timeouts(connect=5.0, first_event=600.0, idle=60.0, quiet=600.0, total=None), id="default"),
        pytest.param({"total": 2.0}, Timeouts(total=2.0), id="E56-total"),
        pytest.param({"idle": None, "first_event": None}, Timeouts(idle=None, first_event=None), id="no-limit"),
        pytest.param({"quiet": 90}, Timeouts(quiet=90), id="quiet"),
        pytest.param({"count_keepalives": True}, Timeouts(count_keepalives=True), id="keepalives-count"),
    ],
)
def test_a_call_without_clocks_gets_the_configured_ones(settings: dict[str, Any], clocks: Timeouts) -> None:
    """Everything else of the request stays as it is."""
    call = make_call()
    request = Timeout(**settings).before_request(call, call.request)
    assert request == attrs.evolve(call.request, timeouts=clocks)


def test_the_clocks_of_a_call_win() -> None:
    """Whoever gives timeouts with the call means them."""
    call = make_call(Timeouts(idle=1.0))
    assert Timeout(idle=60).before_request(call, call.request) is None


def test_the_defaults_are_those_of_timeouts() -> None:
    """A client with the plugin and one without it wait alike."""
    assert attrs.asdict(Timeout().config) == attrs.asdict(Timeouts())


@pytest.mark.parametrize("name", ["connect", "first_event", "idle", "total"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, "60", True], ids=lambda value: f"E63-{value!r}")
def test_E63_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    """The error says which clock is wrong, whether the config or the plugin is built."""
    for build in (TimeoutConfig, Timeout):
        with pytest.raises(ConfigurationError) as caught:
            build(**{name: value})
        assert [problem.path for problem in caught.value.problems] == [name]


def test_the_plugin_has_its_name_and_configuration() -> None:
    """What the registry needs to know."""
    assert (Timeout.name, Timeout.Config) == ("timeout", TimeoutConfig)


def test_a_configuration_can_be_structured_from_a_file() -> None:
    """Its annotations are those that cattrs understands."""
    assert cattrs.structure({"total": 90, "idle": 30.0}, TimeoutConfig) == TimeoutConfig(total=90.0, idle=30.0)


@pytest.mark.parametrize("name", ["retry", "rate-limit"])
def test_a_policy_that_decides_how_long_to_wait_belongs_behind_it(name: str) -> None:
    """It must know the deadline."""
    other = SimpleNamespace(name=name)
    why = "the deadline is not known yet when they decide how long to wait"
    assert order_problems([other, Timeout()]) == [f"{name} in front of timeout: {why}"]
    assert order_problems([Timeout(), other]) == []
