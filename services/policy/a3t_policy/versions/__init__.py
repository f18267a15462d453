"""Adapter versions: verified, loaded beside the running ones, switched, drained, retired, restored."""

from .check import *  # noqa: F403
from .live import *  # noqa: F403
from .manager import *  # noqa: F403
