"""The certificates against which servers are checked."""

import os
import ssl
from pathlib import Path
from typing import final

import certifi

from ..errors import ConfigurationError, Problem
from ..transport import Connections


@final
class Certificates:
    """The TLS context of a client: made on the first call over TLS, because that takes a while."""

    def __init__(self, connections: Connections) -> None:
        """Load the certificates of a file or directory that was named. Raises ConfigurationError."""
        verify = connections.verify
        self._trust_env = connections.trust_env
        self._verify = verify if isinstance(verify, bool) else True
        self._context: ssl.SSLContext | None = None
        if isinstance(verify, ssl.SSLContext):
            self._context = verify
        elif isinstance(verify, str):
            self._context = _loaded(verify)
        if self._context is not None:
            self._context.set_alpn_protocols(["http/1.1"])

    def context(self) -> ssl.SSLContext:
        """Return the context."""
        if self._context is None:
            context = self._usual()
            context.set_alpn_protocols(["http/1.1"])
            self._context = context
        return self._context

    def _usual(self) -> ssl.SSLContext:
        if not self._verify:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self._trust_env and os.environ.get("SSL_CERT_FILE"):
            return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        if self._trust_env and os.environ.get("SSL_CERT_DIR"):
            return ssl.create_default_context(capath=os.environ["SSL_CERT_DIR"])
        return ssl.create_default_context(cafile=certifi.where())


def _loaded(path: str) -> ssl.SSLContext:
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        problem = Problem("verify", f"cannot load certificates from {path!r}: {error.strerror or error}")
        raise ConfigurationError.of(problem) from None
