"""The transport that is called ``httpx``."""

from ._library import library
from ._transports import HTTPXFactory

factory = HTTPXFactory(library("httpx").name)
