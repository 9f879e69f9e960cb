"""A fallback that replaces another one passes over what has failed, if its targets are the same."""

from unbroken import Client
from unbroken.testing import FakeClock, ScriptedTransport
from unbroken_fallback import Fallback, Target

from .servers import WHOLE, status, url, world


def test_what_cools_under_one_fallback_cools_under_the_next() -> None:
    """With other targets, or other keys, it may not be the same place."""
    clock = FakeClock()
    targets = [Target(url=url("eu"), name="eu", keys=({"x-api-key": "one"},))]
    client = Client(
        [Fallback(targets=targets)],
        transport=ScriptedTransport(world(api=status(500), eu=WHOLE), clock),
        clock=clock,
    )
    with client.stream("POST", f"{url('api')}/v1/messages") as stream:
        list(stream)
    same = Fallback(targets=[Target(url=url("eu"), name="eu", keys=({"x-api-key": "one"},))], cooldown=5)
    client.reconfigure([same])
    assert len(same.snapshot()) == 1
    other = Fallback(targets=[Target(url=url("eu"), name="eu", keys=({"x-api-key": "two"},))])
    client.reconfigure([other])
    assert other.snapshot() == {}
