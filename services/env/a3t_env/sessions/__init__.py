"""Sessions: running episodes, with limits on their number, idle time and step time."""

from .manager import SessionManager
from .session import SessionLimits

__all__ = ["SessionLimits", "SessionManager"]
