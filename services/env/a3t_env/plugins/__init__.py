"""Environments of any package. What stands here imports nothing heavy: every child process of a plug-in loads it."""

from .plugin import ENTRY_POINT_GROUP, EnvironmentPlugin

__all__ = ["ENTRY_POINT_GROUP", "EnvironmentPlugin"]
