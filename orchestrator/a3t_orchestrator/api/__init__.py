"""Routers of the orchestrator's API."""
