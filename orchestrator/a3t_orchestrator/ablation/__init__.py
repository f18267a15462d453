"""Comparisons: one recipe, run with a change or without, over several seeds."""
