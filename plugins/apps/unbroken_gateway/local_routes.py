"""The routes that ask no model: health, the list of models, and resumable streams."""

import msgspec
from attrs import define

from . import rules
from .exchange import Exchange
from .house import House
from .routes import Found
from .snapshot import Snapshot


@define(eq=False)
class LocalRoutes:
    """Answers the routes without a body."""

    house: House

    async def answer(self, exchange: Exchange, found: Found, snapshot: Snapshot) -> None:
        """Answer one request. Raises Refused."""
        name = found.route.name
        if name in ("live", "ready"):
            good = name == "live" or await self.house.ready()
            await exchange.answer_json(
                b'{"status":"ok"}' if good else b'{"status":"unavailable"}', 200 if good else 503
            )
            return
        principal = await self.house.principal(exchange, snapshot)
        if name == "models":
            listed = rules.models_answer(snapshot.settings, principal, exchange.dialect)
            await exchange.answer_json(msgspec.json.encode(listed), headers=[(b"vary", b"anthropic-version")])
