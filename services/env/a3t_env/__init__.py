"""Environments over HTTP: plug-ins behind one protocol."""
