"""Adapter versions: checking, loading, switching, retiring, and restoring after a restart."""

from .check import *  # noqa: F403
from .live import *  # noqa: F403
from .manager import *  # noqa: F403
