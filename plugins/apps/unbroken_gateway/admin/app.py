"""The routes of the admin port."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, cast, get_args

from unbroken import ConfigurationError

from ..audit import Audit
from ..auth.addresses import Throttle, client_address, networks
from ..config.settings import Settings
from ..state import Revocation, State, StateUnavailable
from ..traffic import Traffic
from . import metrics
from .events import Viewers
from .guard import COOKIE, SESSION_SECONDS, Head, Sessions, bearer, host_allowed, proven, same_origin, split
from .http import BadRequest, Receive, Scope, Send, answer, answer_json, read_object
from .page import page
from .view import View

DEFAULT_REVOCATION: Final = 30 * 86400.0
"""Seconds."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Handler = Callable[[Scope, Head, Receive, Send], Awaitable[None]]


class AdminApp:
    """An ASGI application.

    `reload` reads the configuration again, and returns the settings that are in use; its ConfigurationError is shown.
    `interval` is the time between two snapshots in seconds, `now` the monotonic clock.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        traffic: Traffic,
        state: State,
        audit: Audit,
        reload: Callable[[], Awaitable[Settings]],
        interval: float = 1.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._traffic, self._state, self._audit = traffic, state, audit
        self._reload_settings = reload
        self._view = View(settings, traffic, state, audit)
        self._sessions = Sessions()
        self._throttle, self._now = Throttle(settings.bad_credentials), now
        self._viewers = Viewers(self._view.values, interval)
        self._routes: dict[str, tuple[str, Handler]] = {
            "/admin": ("GET", self._page),
            "/admin/events": ("GET", self._events),
            "/metrics": ("GET", self._metrics),
            "/admin/login": ("POST", self._login),
            "/admin/logout": ("POST", self._logout),
            "/admin/reload": ("POST", self._reload),
            "/admin/revoke": ("POST", self._revoke),
        }

    @property
    def settings(self) -> Settings:
        """The settings in use; set them after a reload that was not asked for here."""
        return self._view.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._view.settings = settings

    def close(self) -> None:
        """End the streams of the dashboards, for which a server would wait when it stops. Call it in the event loop."""
        self._viewers.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _other(scope, receive, send)
            return
        head = Head.of(scope)
        try:
            await self._find(scope, head)(scope, head, receive, send)
        except BadRequest as error:
            await answer_json(send, error.status, {"error": str(error)}, error.headers)

    def _find(self, scope: Scope, head: Head) -> Handler:
        """Return what answers. All that is true of all routes is checked here."""
        if not host_allowed(head, self._names()):
            raise BadRequest(421, "unknown host")
        method, handler = self._routes.get(scope["path"], ("", None))
        if handler is None:
            raise BadRequest(404, "not found")
        if scope["method"] != method and not (scope["method"] == "HEAD" and handler == self._page):
            raise BadRequest(405, f"only {method}")
        changes = method == "POST"
        given = bearer(head)
        if (changes or handler == self._events) and not same_origin(head, needed=changes and given is None):
            raise BadRequest(403, "from another origin")
        if changes and head.get("content-type").partition(";")[0].strip() != "application/json":
            raise BadRequest(415, "only application/json")
        if handler in (self._events, self._reload, self._revoke) and not self._authenticated(scope, head, given):
            raise BadRequest(401, "log in first")
        return handler

    def _names(self) -> frozenset[str]:
        listen, _ = split(self.settings.admin_listen or "")
        return self.settings.hosts | {listen} | (_LOOPBACK if listen in _LOOPBACK else frozenset[str]())

    def _authenticated(self, scope: Scope, head: Head, given: str | None) -> bool:
        if given is not None:
            return self._proven(scope, given)
        return self._sessions.valid(self.settings.admin_credential, head)

    def _proven(self, scope: Scope, given: object) -> bool:
        """Return whether `given` is the admin credential. Raises BadRequest for an address that guesses."""
        peer: tuple[str, int] = scope.get("client") or ("", 0)
        address, now = client_address(scope["headers"], peer[0], networks(self.settings.trusted_proxies)), self._now()
        if wait := self._throttle.wait(address, now):
            raise BadRequest(429, "too many wrong credentials; try again later", wait)
        if isinstance(given, str) and proven(self.settings.admin_credential, given):
            return True
        self._throttle.note(address, now)
        return False

    async def _page(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        body, policy = page()
        headers = ((b"content-security-policy", policy.encode()), (b"x-frame-options", b"DENY"))
        await answer(send, 200, body, "text/html; charset=utf-8", headers)

    async def _metrics(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        body, kind = metrics.text(self._traffic, lambda: self._audit.status)
        await answer(send, 200, body, kind)

    async def _login(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        given = (await read_object(receive)).get("credential")
        credential = self.settings.admin_credential
        if not self._proven(scope, given) or credential is None:
            raise BadRequest(401, "that is not the admin credential")
        await answer_json(send, 200, {}, _cookie(scope, self._sessions.open(credential), SESSION_SECONDS))

    async def _logout(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        await answer_json(send, 200, {}, _cookie(scope, "", 0))

    async def _reload(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        try:
            self.settings = await self._reload_settings()
        except ConfigurationError as error:
            problems = [str(problem) for problem in error.problems] or [error.message]
            await answer_json(send, 422, {"error": "the configuration is not valid", "problems": problems})
        else:
            await answer_json(send, 200, {"reloaded": True})

    async def _revoke(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        asked = await read_object(receive)
        kind, value, seconds = asked.get("kind"), asked.get("value"), asked.get("seconds", DEFAULT_REVOCATION)
        if kind not in get_args(Revocation):
            raise BadRequest(400, f"kind must be one of {', '.join(get_args(Revocation))}")
        if not isinstance(value, str) or not 0 < len(value) <= 1024:
            raise BadRequest(400, "value must be a text")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 3.2e9:
            raise BadRequest(400, "seconds must be a positive number")
        now = time.time()
        before = now if kind == "issued-before" else None
        try:
            await self._state.revoke(cast(Revocation, kind), value, now + seconds, before)
        except StateUnavailable:
            raise BadRequest(503, "the state does not answer; nothing is revoked") from None
        await answer_json(send, 200, {"revoked": value, "until": now + seconds})

    async def _events(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        await self._viewers.show(receive, send)


def _cookie(scope: Scope, value: str, seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    text = f"{COOKIE}={value}; Path=/admin; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return ((b"set-cookie", text.encode()),)


async def _other(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a server that starts and stops, and refuse WebSockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
