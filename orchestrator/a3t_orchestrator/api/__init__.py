"""Routers of the orchestrator's own API and dashboard."""
