"""Arithmetic with a calculator as tool: an environment whose actions cannot be listed."""
