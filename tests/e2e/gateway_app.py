"""The gateway as an application for any ASGI server: ``gateway_app:app``, configured by two variables."""

import os
from pathlib import Path

from attrs import evolve

from unbroken_gateway.app import Gateway
from unbroken_gateway.auth.local_secrets import with_secrets
from unbroken_gateway.config.checks import checked
from unbroken_gateway.config.loading import load
from unbroken_gateway.services import Services

_settings = with_secrets(checked(load(Path(os.environ["GATEWAY_FILE"]), os.environ)))
app = Gateway(Services(evolve(_settings, development_token=os.environ["GATEWAY_TOKEN"])))
