"""Engines in child processes of one service. Each computes on one core, with the same weights."""
