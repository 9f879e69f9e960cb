"""The process of one client: ``python -m unbroken_sdk.doctor NAME LIMITS ROW …`` prints a line of JSON per cell."""

import json
import os
import signal
import sys
from collections.abc import Sequence

from attrs import asdict

from ._cell import Cell
from ._clients import CLIENTS
from ._rows import ROWS
from ._run import Limits, run


def main(arguments: Sequence[str]) -> None:
    """Run the cells, and end the process at once: calls that hang are left where they are."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it, too, without a wait for its calls
    name, limits, *wanted = arguments
    client = next(each for each in CLIENTS if each.name == name)
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)  # some clients print

        def write(cell: Cell) -> None:
            out.write(json.dumps(asdict(cell)) + "\n")
            out.flush()

        run(client, [row for row in ROWS if row.name in wanted], Limits(**json.loads(limits)), write)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
