"""The backend of proxy mode: an ASGI application in front of the APIs of models."""
