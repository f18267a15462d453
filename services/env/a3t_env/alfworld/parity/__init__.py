"""Compares both engines command by command over random walks through games."""
