"""The request for another target. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, unquote_plus, urlsplit

import attrs
import msgspec

from unbroken import Headers, Request

from ._config import PATH
from ._slots import Slot, is_credential


def moved(request: Request, slot: Slot, prefix: str = "") -> Request | None:
    """Return `request` as it is sent to `slot`; None if the target changes the body and that is no JSON object.

    At another address its path has no `prefix`.
    The credentials of `request` stay only if the target has its address and no credentials of its own.
    """
    target = slot.target
    if target is None:
        return request
    content = _merged(request.content, target.body)
    if content is None:
        return None
    strip = not slot.is_here or slot.has_credentials
    kept: list[tuple[str, str]] = []
    for name, value in request.headers.items_raw:
        lower = name.lower()
        if (
            lower == "content-length"
            or (lower == "host" and not slot.is_here)
            or (strip and is_credential(name, value))
        ):
            continue
        # A server may refuse the same key with another body.
        kept.append((name, f"{value}-{slot.index}" if lower == "idempotency-key" else value))
    headers = Headers.validated(kept).merged(slot.headers)
    url = _address(request.url, target.url, prefix, strip=strip)
    return attrs.evolve(request, url=url, headers=headers, content=content)


def _merged(content: bytes, body: Mapping[str, Any]) -> bytes | None:
    """Return the JSON object `content` with the fields of `body`; the other fields keep their bytes."""
    if not body or not content:
        return content
    try:
        fields: dict[str, Any] = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return None
    return msgspec.json.encode({**fields, **body})


def _address(own: str, url: str | None, prefix: str, *, strip: bool) -> str:
    """Return the URL `own` at the address `url`, without parameters that are credentials if `strip` is set."""
    parts = urlsplit(own)
    if strip:
        kept = [each for each in parts.query.split("&") if not _is_secret_parameter(each)]
        parts = parts._replace(query="&".join(kept), fragment="")
    if url is None:
        return parts.geturl()
    below = parts.path.removeprefix(prefix) if parts.path.startswith(f"{prefix}/") else parts.path
    path = SplitResult("", "", below or "/", parts.query, "").geturl()
    if url.endswith(PATH):
        return url.removesuffix(PATH) + path
    there = urlsplit(url)
    return url if there.path.strip("/") or there.query else f"{there.scheme}://{there.netloc}{path}"


def _is_secret_parameter(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return is_credential(unquote_plus(name), unquote_plus(value))
