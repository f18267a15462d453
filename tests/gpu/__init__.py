"""Tests of what only a GPU computes; skipped, with the reason, without one."""
