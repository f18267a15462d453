"""The commands of `a3t data … alfworld`."""

from __future__ import annotations

from a3t_env.cli import DataCommands

__all__ = ["data_commands"]

data_commands = DataCommands()
