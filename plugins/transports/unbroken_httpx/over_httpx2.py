"""The transport that is called ``httpx2``. Importing it fails where that package, an extra, is not installed."""

from ._library import library
from ._transports import HTTPXFactory

factory = HTTPXFactory(library("httpx2").name)
