"""The connections of a client in one process and one event loop, and the opening of an exchange."""

from typing import final

from attrs import define, field

from ..transport import Opening
from . import process
from .connect import Race
from .connection import Connection
from .errors import is_loss
from .head import Head
from .idle import Idle
from .places import Place, Places
from .request import Outgoing
from .resolve import resolver
from .sockets import Network, Socket
from .tls import Certificates


@final
@define(eq=False)
class Pool:
    """Gives each exchange a place and a connection, and takes both back."""

    network: Network
    limit: int
    certificates: Certificates
    process: object = field(init=False, factory=lambda: process.current)
    """The process in which its sockets may be used."""
    places: Places = field(init=False)
    idle: Idle = field(init=False, factory=Idle)

    def __attrs_post_init__(self) -> None:
        self.places = Places(self.limit, self.network.gate)

    async def open(self, request: Outgoing, opening: Opening) -> "Opened":
        """Send `request`, and return when the head of the response has arrived.

        A kept connection that the server has closed in the meantime is replaced by a new one, once, without an error,
        unless the request is not repeatable: the server may have closed it after acting upon the request. The other
        idle connections to the same origin are closed too: most likely the server has dropped them as well.
        """
        place = Place(self.places)
        try:
            await self.places.take(place, opening.connect_deadline)
            connection = self.idle.take(request.key)
            head = None
            if connection is not None:
                head = await self._send_again(place, connection, request, opening)
            if connection is None or head is None:
                opening.phase = "connect"
                connection = await self._connect(place, request, opening.connect_deadline)
                head = await self._send(place, connection, request, opening)
            return Opened(self, place, connection, head)
        except BaseException:
            place.leave()
            raise

    async def _send_again(
        self, place: Place, connection: Connection, request: Outgoing, opening: Opening
    ) -> Head | None:
        """Send on a connection that was kept. Returns None when it brought nothing and `request` may be sent again."""
        try:
            return await self._send(place, connection, request, opening)
        except Exception as error:
            if connection.received or self.places.closed or not is_loss(error):
                raise
            self.idle.forget(request.key)
            if not request.repeatable:
                raise
        connection.close()
        return None

    async def _send(self, place: Place, connection: Connection, request: Outgoing, opening: Opening) -> Head:
        place.hold(connection)
        opening.phase = "headers"
        head = await connection.send(request.data, opening.deadline, bodyless=request.bodyless)
        if request.last:
            connection.parser.reusable = False
        return head

    async def _connect(self, place: Place, request: Outgoing, deadline: float | None) -> Connection:
        """Connect to where `request` goes, through its proxy and with TLS."""
        route, proxy = request.route, request.proxy
        if proxy is None:
            connection = await self._dial(place, request, route.host, route.port, deadline)
        else:
            connection = await self._dial(place, request, proxy.host, proxy.port, deadline)
            if proxy.tls:
                await connection.socket.start_tls(self.certificates.context(), proxy.host, deadline)
            if route.scheme == "https":
                await proxy.tunnel(connection, route, deadline)
        if route.scheme == "https":
            await connection.socket.start_tls(self.certificates.context(), route.host, deadline)
        return connection

    async def _dial(self, place: Place, request: Outgoing, host: str, port: int, deadline: float | None) -> Connection:
        """Look up the name and connect, with room made for one connection more."""
        while len(self.places) + len(self.idle) > self.limit and self.idle.evict():
            pass
        addresses = await resolver().addresses(host, port, deadline, place, self.network.gate)
        race = Race(self.network, addresses)
        place.hold(race)
        socket: Socket = await race.run(deadline)
        connection = Connection(socket, request.key)
        place.hold(connection)
        return connection

    def close(self) -> None:
        """Close all connections; what is under way fails."""
        self.places.close()
        self.idle.close()


@final
@define(eq=False, repr=False)
class Opened:
    """An exchange whose head has arrived."""

    pool: Pool
    place: Place
    connection: Connection
    head: Head
    left: bool = False
    """Whether it has ended."""

    def leave(self, *, reusable: bool) -> None:
        """End it: keep the connection or close it, and give back the place. Harmless when it has ended."""
        if self.left:
            return
        self.left = True
        pool, place = self.pool, self.place
        try:
            if reusable and pool.process is process.current and not pool.places.closed:
                place.pending = None  # from here on it is the idle ones'
                pool.idle.put(self.connection)
                if pool.places.closed:
                    pool.idle.close()  # the client was closed in the moment between
        finally:
            place.leave()
