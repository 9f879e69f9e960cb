"""What `protect` cannot go under, and what to do instead."""

import types
from typing import Any, Final

from unbroken.validators import refused

LONG_FORM: Final = "give its HTTP client a transport of unbroken_sdk.httpx or unbroken_sdk.httpx2 instead"
_OVER_URLLIB3: Final = (
    "it sends over urllib3, where Unbroken cannot go under: call Bedrock with AnthropicBedrock, which can be protected"
)
_GIVEN: Final = "protect the HTTP client that it is given"
# Why those of a module are refused, by the beginning of its name.
REASONS: Final = {
    "mcp": "it takes an HTTP client: streamable_http_client(url, http_client=protect(httpx2.AsyncClient()))",
    "boto3": _OVER_URLLIB3,
    "botocore": _OVER_URLLIB3,
    "a2a": f"{_GIVEN}: ClientConfig(httpx_client=protect(httpx.AsyncClient()))",
}


def is_within(module: str, package: str) -> bool:
    """Return whether a module is `package` or within it."""
    return module == package or module.startswith(f"{package}.")


def unknown(thing: Any, why: str) -> Exception:
    """Return the error that refuses `thing`."""
    what = thing.__name__ if isinstance(thing, types.ModuleType) else f"{type(thing).__module__}.{type(thing).__name__}"
    return refused("client", f"cannot be protected: {what}: {why}; {LONG_FORM}")
