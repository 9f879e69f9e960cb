"""`unbroken demo`: conversations over real sockets with a server that fails, and a judgement of how each ended."""

from ._apis import APIS, Api, api_named
from ._command import chosen, run_demo
from ._scenarios import SCENARIOS, Expect, Scenario
from ._trial import Trial

__all__ = ("APIS", "SCENARIOS", "Api", "Expect", "Scenario", "Trial", "api_named", "chosen", "run_demo")
