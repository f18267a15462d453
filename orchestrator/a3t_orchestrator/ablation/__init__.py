"""Comparisons (ablations): one recipe with and without changes, over several seeds."""
