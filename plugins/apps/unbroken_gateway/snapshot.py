"""What is made of one configuration. A reload makes another; calls under way keep theirs."""

from attrs import define

from .auth.authenticator import Authenticator
from .calls.upstreams import Upstreams
from .config.settings import Settings
from .edge.routes import Table


@define(eq=False, kw_only=True)
class Snapshot:
    """One configuration with its clients."""

    settings: Settings
    routes: Table
    authenticator: Authenticator
    upstreams: Upstreams

    async def aclose(self) -> None:
        """Close the connections."""
        await self.authenticator.aclose()
        await self.upstreams.aclose()
