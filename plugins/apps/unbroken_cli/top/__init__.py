"""`unbroken top`: a live view of the metrics of a running process."""

from ._command import ScrapeError, Top, endpoint, scrape, top
from ._frame import DURATION, FIRST_EVENT, frame
from ._reading import Reading, Window

__all__ = ("DURATION", "FIRST_EVENT", "Reading", "ScrapeError", "Top", "Window", "endpoint", "frame", "scrape", "top")
