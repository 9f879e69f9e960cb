"""What the APIs have in common whose errors are neither those of Anthropic nor those of OpenAI."""

from email.utils import formatdate

from ._anthropic import ERRORS, twin_of
from ._conversation import Exchange, Voice
from ._fault import Fault


class Foreign(Voice):
    """An API with errors and headers of its own."""

    def headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        """Return ``Date``."""
        return [("Date", formatdate(exchange.now, usegmt=True))]


def meant(fault: Fault, status: int) -> tuple[int, str | None]:
    """Return the status that an error means, and its name if it is one that the catalogue does not know.

    `status` is meant by an error without a name; a status that is not in the table stands for 400 or 500.
    """
    twin = twin_of(fault.error)
    known = twin or (status if status in ERRORS else 400 if status < 500 else 500)
    return known, None if twin is not None else fault.error
