"""Adapter versions: checks, loads, switches and retires them, and restores them after a restart."""

from .check import *  # noqa: F403
from .live import *  # noqa: F403
from .manager import *  # noqa: F403
