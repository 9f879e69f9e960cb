"""The routes of resumable streams: read on, cancel, and a ticket for EventSource."""

from typing import Final
from urllib.parse import parse_qs

import msgspec
from attrs import define

from . import edge
from .calls import EVENT_STREAM
from .errors import Refused, invalid_request, no_credential, trimmed_stream, unknown_stream
from .exchange import Exchange
from .house import House
from .routes import Route
from .snapshot import Snapshot

_JSON: Final = (b"content-type", b"application/json")


@define(eq=False)
class StreamRoutes:
    """Answers ``/v1/streams/{id}``."""

    house: House
