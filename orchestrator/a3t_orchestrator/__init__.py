"""Celery tasks, episodes, composing, pairing, rounds, the store, the CLI and the dashboard."""
