"""What is made of one configuration. A reload makes another; calls under way keep theirs."""

from attrs import define, field

from .auth import Authenticator
from .routes import RouteTable
from .settings import Settings
from .upstreams import Upstreams


@define(eq=False, kw_only=True)
class Snapshot:
    """One configuration with its clients."""

    settings: Settings
    authenticator: Authenticator
    upstreams: Upstreams
    routes: RouteTable = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.routes = RouteTable(self.settings.aliases)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.authenticator.aclose()
        await self.upstreams.aclose()
