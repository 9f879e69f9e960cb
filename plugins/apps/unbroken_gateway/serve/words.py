"""What the gateway prints when it is ready."""

from collections.abc import Mapping
from typing import Any, Final, TextIO

import msgspec

from ..settings import Settings

_KEYS: Final = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")

_INTRODUCTION: Final = """\
The gateway is ready on {url}

  A server on this machine plays the model: no key is used and nothing leaves this machine.
  Development token, good until this process ends:

    {token}

  curl:

    curl -N {url}/v1/messages -H "x-api-key: {token}" -H "content-type: application/json" \\
      -d '{{"model":"claude-sonnet-4-5","stream":true,"messages":[{{"role":"user","content":"Hello"}}]}}'

  The SDK of Anthropic, and that of OpenAI, in Python; those in JavaScript take baseURL and apiKey:

    anthropic.Anthropic(base_url="{url}", api_key="{token}")
    openai.OpenAI(base_url="{url}/v1", api_key="{token}")

  In the browser: {url}/v1/streams, see examples/gateway
"""
_ADMIN: Final = """\
  Dashboard: {admin}/admin, with the credential

    {credential}
"""
_NOT_READ: Final = "  {name} is set, but it is not read: a key reaches the gateway only through its configuration.\n"


def announce(
    out: TextIO, settings: Settings, url: str, admin: str | None, *, as_json: bool, environ: Mapping[str, str]
) -> None:
    """Print where the gateway is, and in the zero configuration how to try it."""
    token = settings.development_token
    if as_json:
        facts: dict[str, Any] = {"url": url, "admin": admin, "token": token}
        if token is not None and admin is not None:
            facts["admin_credential"] = settings.admin_credential
        text = msgspec.json.encode(facts).decode() + "\n"
    elif token is None:
        text = f"The gateway is ready on {url}\n" + (f"Dashboard: {admin}/admin\n" if admin else "")
    else:
        text = _INTRODUCTION.format(url=url, token=token)
        if admin is not None:
            text += _ADMIN.format(admin=admin, credential=settings.admin_credential)
        text += "".join(_NOT_READ.format(name=name) for name in _KEYS if environ.get(name))
    out.write(text)
    out.flush()
