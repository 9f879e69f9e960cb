"""`unbroken top`: what a running process has counted, as it counts."""

from ._command import Top, top
from ._frame import DURATION, FIRST_EVENT, frame
from ._reading import Reading, Window
from ._scrape import ScrapeError, endpoint, scrape

__all__ = ("DURATION", "FIRST_EVENT", "Reading", "ScrapeError", "Top", "Window", "endpoint", "frame", "scrape", "top")
