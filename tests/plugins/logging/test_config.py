"""What can be configured, and what is refused."""

import pytest

from unbroken.errors import ConfigurationError
from unbroken.messages import Event
from unbroken.plugin import Plugin
from unbroken_logging import Logging, LoggingConfig


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"level": "LOUD"}, "level"),
        ({"level": 3}, "level"),
        ({"events": "yes"}, "events"),
        ({"json": 1}, "json"),
        ({"json": True}, "needs a sink"),
        ({"json": True, "sink": "stdlib"}, "needs a sink"),
        ({"sink": ""}, "sink"),
        ({"sink": 3}, "sink"),
        ({"allow_headers": "x-team"}, "allow_headers"),
        ({"queue_size": -1}, "queue_size"),
        ({"queue_size": 1.5}, "queue_size"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_by_name(values, named):
    """The error says which field."""
    with pytest.raises(ConfigurationError, match=named):
        LoggingConfig(**values)


@pytest.mark.parametrize("sink", ["/", "a\0b"])
def test_a_file_that_cannot_be_opened_is_refused(sink):
    """At once, not with the first record."""
    with pytest.raises(ConfigurationError, match=r"logging\.sink"):
        Logging(sink=sink)


def test_levels_and_header_names_ignore_case():
    """As people write them."""
    config = LoggingConfig(level="warning", allow_headers=["X-Team"])
    assert config.level == "WARNING"
    assert config.allow_headers == {"x-team"}


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("build", [lambda **v: Logging(**v), lambda **v: Logging.from_config(LoggingConfig(**v))])
def test_on_event_is_there_only_when_asked_for(build, wanted):
    """A hook that is not overridden costs nothing."""
    plugin = build(events=wanted)
    assert isinstance(plugin, Logging)
    assert (type(plugin).on_event is not Plugin.on_event) is wanted
    plugin.close()


def test_a_subclass_stays_what_it_is(call):
    """Whoever derives decides about the hooks."""

    class Mine(Logging):
        pass

    plugin = Mine(events=True)
    assert type(plugin) is Mine
    assert plugin.on_event(call, Event.make("x")) is None
    plugin.close()
