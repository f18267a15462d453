"""Environments that another server plays, behind the protocol of this service."""

from .plugin import remote_plugins

__all__ = ["remote_plugins"]
