"""Calls as OpenTelemetry traces and metrics."""
