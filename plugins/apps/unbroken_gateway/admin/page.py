"""The page, from its three files. Nothing of a request or a model is ever put into it: the script fills it in."""

import secrets
from functools import cache
from importlib.resources import files

_CSP = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def page() -> tuple[bytes, str]:
    """Return the page with a new nonce, and its Content-Security-Policy."""
    nonce = secrets.token_urlsafe(18)
    return _template().replace("{{nonce}}", nonce).encode(), _CSP.format(nonce=nonce)


@cache
def _template() -> str:
    parts = {
        name: files("unbroken_gateway.admin").joinpath(name).read_text("utf-8")
        for name in ("page.html", "page.css", "page.js")
    }
    whole = parts["page.html"]
    for name in ("page.css", "page.js"):
        whole = whole.replace(f"{{{{{name}}}}}", parts[name])
    return whole
