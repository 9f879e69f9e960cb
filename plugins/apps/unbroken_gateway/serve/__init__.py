"""Runs the gateway: sockets, uvicorn, signals and worker processes."""
