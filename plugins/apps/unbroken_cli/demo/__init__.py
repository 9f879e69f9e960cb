"""`unbroken demo`: conversations over real sockets with a server that fails, and a judgement of how each ended.

`compare` runs the same failures through the vendors' SDKs too.
"""

from ._command import chosen, run_demo
from ._scenarios import SCENARIOS, Expect, Scenario
from ._trial import Trial, error_label

__all__ = ("SCENARIOS", "Expect", "Scenario", "Trial", "chosen", "error_label", "run_demo")
