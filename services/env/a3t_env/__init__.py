"""Environments over HTTP: plug-ins behind one protocol."""

from .reference_server import serve

__all__ = ["serve"]
