"""`unbroken demo --compare`: the same faults through the vendors' own SDKs and through Unbroken."""

from ._cell import Cell
from ._command import participants, run_compare
from ._consumers import APIS, Api, Consumer
from ._rows import ROWS
from ._run import GIVE_UP, Run

__all__ = ("APIS", "GIVE_UP", "ROWS", "Api", "Cell", "Consumer", "Run", "participants", "run_compare")
