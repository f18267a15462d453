"""Engines in processes of their own behind one service: each computes on one core, with the same weights."""
