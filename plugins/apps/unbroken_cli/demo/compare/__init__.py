"""`unbroken demo --compare`: the same failures through the vendors' own SDKs and through Unbroken."""

from ._command import run_compare
from ._consumers import APIS, Api, Consumer
from ._run import GIVE_UP, ROWS, Cell, Run, participants

__all__ = ("APIS", "GIVE_UP", "ROWS", "Api", "Cell", "Consumer", "Run", "participants", "run_compare")
