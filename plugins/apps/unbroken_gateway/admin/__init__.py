"""The port of the operator: the dashboard, the metrics, and the few changes that are made from there."""

from .app import AdminApp

__all__ = ("AdminApp",)
