"""Environments over HTTP: ALFWorld and WebShop behind one protocol."""
