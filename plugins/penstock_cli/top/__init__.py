"""`penstock top`: what a running process has counted, as it counts."""

from ._command import Top, top
from ._frame import frame
from ._reading import Reading, Window
from ._scrape import ScrapeError, endpoint, scrape

__all__ = ("Reading", "ScrapeError", "Top", "Window", "endpoint", "frame", "scrape", "top")
