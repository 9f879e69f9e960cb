"""The places where a call can go, in order: each key of each target."""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from unbroken import Call, Headers, Request
from unbroken.secrets import is_secret_name, redact_keys

from ._config import PATH, Target
from ._cooldowns import Place

OWN: Final = "the first target"
"""What the history calls the endpoint of the request itself."""


@frozen(eq=False, repr=False)
class Slot:
    """One key of one target."""

    index: int
    """The position of the target, 0 for the request's own endpoint."""
    target: Target | None
    """None: the request itself."""
    headers: Headers
    """The header fields of the target and of the key."""
    name: str
    """The name of the target."""
    label: str
    """The name with the number of the key, if there are several."""

    @property
    def is_here(self) -> bool:
        """Whether this is at the address of the request."""
        return self.target is None or self.target.url is None

    @property
    def has_credentials(self) -> bool:
        """Whether it has credentials of its own. Without them, and at the address of the request, it uses those."""
        return any(is_credential(*pair) for pair in self.headers.items_raw)

    def places(self, call: Call) -> tuple[Place, Place]:
        """Return under which names the target and the key are cooled for requests like that of `call`."""
        where = call.request.origin if self.is_here else ""
        callers = hash(credentials(call.request)) if self.is_here and not self.has_credentials else None
        return (where, self.name, None), (where, self.label, callers)


def slots(targets: Sequence[Target]) -> tuple[Slot, ...]:
    """Return the request's own endpoint and all keys of all `targets`."""
    found = [Slot(0, None, Headers(), OWN, OWN)]
    for index, target in enumerate(targets, 1):
        name = target.name or f"target {index}{_origin(target)}"
        headers = Headers.validated(target.headers)
        for number, key in enumerate(target.keys or ({},), 1):
            label = f"{name}, key {number}" if len(target.keys) > 1 else name
            found.append(Slot(index, target, headers.merged(Headers.validated(key)), name, label))
    return tuple(found)


def _origin(target: Target) -> str:
    if target.url is None:
        return ""
    return f" ({Request(method='POST', url=target.url.removesuffix(PATH)).origin})"


def is_credential(name: str, value: str) -> bool:
    """Return whether a header field or a parameter is a credential: by its name, or by the form of its value."""
    return is_secret_name(name) or redact_keys(value) != value


def credentials(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the header fields of `request` that are credentials."""
    return tuple(pair for pair in request.headers.items_raw if is_credential(*pair))
