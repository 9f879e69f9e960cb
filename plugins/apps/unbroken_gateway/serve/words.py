"""What the gateway prints when it is ready."""

from collections.abc import Mapping
from typing import Any, Final, TextIO

import msgspec

from ..auth.local_secrets import SUFFIX
from ..config.settings import Settings

_KEYS: Final = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")

_INTRODUCTION: Final = """\
The gateway is ready on {url}

This is a trial on this machine. A built-in server invents the answers: no key
is used, and nothing leaves this machine. The token is good until the gateway
stops. Paste these lines into another terminal:

export TOKEN={token}

# with curl
curl -N {url}/v1/messages \\
  -H "x-api-key: $TOKEN" -H "content-type: application/json" \\
  -d '{{"model": "claude-sonnet-5-5", "stream": true,
       "messages": [{{"role": "user", "content": "Hello"}}]}}'

# with the SDK of Anthropic (in JavaScript: baseURL and apiKey)
python3 - <<'END'
import os, anthropic
client = anthropic.Anthropic(
    base_url="{url}", api_key=os.environ["TOKEN"])
answer = client.messages.create(
    model="claude-sonnet-5-5", max_tokens=100,
    messages=[{{"role": "user", "content": "Hello"}}])
print(answer.content[0].text)
END

# with that of OpenAI
python3 - <<'END'
import os, openai
client = openai.OpenAI(
    base_url="{url}/v1", api_key=os.environ["TOKEN"])
answer = client.chat.completions.create(
    model="gpt-5.4-mini",
    messages=[{{"role": "user", "content": "Hello"}}])
print(answer.choices[0].message.content)
END
"""
_BROWSER: Final = """
In the browser, to watch the calls, open

  {admin}/admin

and sign in with

  {credential}
"""
_NOT_READ: Final = """
{name} is set but not used: the gateway reads a key only where its
configuration file names it.
"""
_END: Final = """
Ctrl-C lets the answers under way end; a second Ctrl-C cuts them.
For real models: unbroken serve --config FILE
"""


def announce(
    out: TextIO,
    settings: Settings,
    url: str,
    admin: str | None,
    *,
    trial: bool,
    made: bool,
    as_json: bool,
    environ: Mapping[str, str],
) -> None:
    """Print where the gateway is and, in a `trial` without a configuration, how to try it.

    `made` says that the credential of the dashboard is not from the operator.
    """
    token = settings.development_token
    if as_json:
        facts: dict[str, Any] = {"url": url, "admin": admin, "token": token}
        if made and admin is not None and settings.keys is None:
            facts["admin_credential"] = settings.admin_credential
        text = msgspec.json.encode(facts).decode() + "\n"
    elif not trial or token is None:
        text = _configured(settings, url, admin, made=made)
    else:
        text = _INTRODUCTION.format(url=url, token=token)
        if admin is not None:
            credential = settings.admin_credential if made else "the credential that you have set"
            text += _BROWSER.format(admin=admin, credential=credential)
        text += "".join(_NOT_READ.format(name=name) for name in _KEYS if environ.get(name)) + _END
    out.write(text)
    out.flush()


def _configured(settings: Settings, url: str, admin: str | None, *, made: bool) -> str:
    text = f"The gateway is ready on {url}\n"
    if settings.development_token is not None:
        text += f"It has no issuer and no file of keys. The token of this machine: {settings.development_token}\n"
    if admin is None:
        return text
    text += f"Dashboard: {admin}/admin\n"
    if not made:
        return text
    where = str(settings.admin_credential) if settings.keys is None else f"it is in {settings.keys}{SUFFIX}"
    return f"{text}The credential for it was made here: {where}\n"
