"""`unbroken demo`: real conversations over real sockets, through everything that can go wrong with them."""

from ._command import run_demo
from ._scenarios import SCENARIOS, Expect, Scenario
from ._trial import Trial, error_label

__all__ = ("SCENARIOS", "Expect", "Scenario", "Trial", "error_label", "run_demo")
