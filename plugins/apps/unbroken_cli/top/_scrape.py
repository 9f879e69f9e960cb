"""Asking an endpoint for its metrics."""

import http.client
import time
import urllib.error
import urllib.request
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ._reading import Reading

_MOST_BYTES: Final = 16 * 1024 * 1024


class ScrapeError(Exception):
    """The endpoint has not answered with metrics; the message says why, in a line."""


def endpoint(text: str) -> str:
    """Return the URL that is meant by `text`: ``:9464`` and ``host:9464`` will do. Raises ValueError."""
    if text.startswith(":"):
        text = f"127.0.0.1{text}"
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not the address of a metrics endpoint")
    _ = parts.port
    return urlunsplit(
        (parts.scheme, parts.netloc, parts.path if parts.path.strip("/") else "/metrics", parts.query, "")
    )


def scrape(url: str, timeout: float) -> Reading:
    """Return what the endpoint says now. Raises ScrapeError; proxies of the environment are not asked."""
    from prometheus_client.parser import text_string_to_metric_families

    text = _get(url, timeout)
    try:
        reading = Reading.of(text_string_to_metric_families(text), time.monotonic())
    except (ValueError, KeyError, IndexError) as error:
        raise ScrapeError("what it answers with is not the text of Prometheus") from error
    if not reading.samples:
        raise ScrapeError("it has no metrics of Unbroken yet")
    return reading


def _get(url: str, timeout: float) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as response:
            body: bytes = response.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise ScrapeError(f"it answers with {error.code}") from None
    except urllib.error.URLError as error:
        raise ScrapeError(_words(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise ScrapeError(_words(error)) from None
    if len(body) > _MOST_BYTES:
        raise ScrapeError("it answers with far too much")
    return body.decode("utf-8", "replace")


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "it does not answer in time"
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).lower()
