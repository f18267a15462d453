"""Environments of any package. Every child process of a plug-in loads this module, so it imports nothing large."""

from .plugin import ENTRY_POINT_GROUP, EnvironmentPlugin

__all__ = ["ENTRY_POINT_GROUP", "EnvironmentPlugin"]
