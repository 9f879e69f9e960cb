"""The clients that can be examined.

A client is imported by its first call, in a process of its own. Each is set up as its documentation shows, with its own
retries; only the timeout is given.
"""

from typing import Final

from ._client import Client
from ._frameworks import FRAMEWORKS
from ._vendors import VENDORS

CLIENTS: Final[tuple[Client, ...]] = (*VENDORS, *FRAMEWORKS)
