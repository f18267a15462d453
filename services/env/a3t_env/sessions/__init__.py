"""Sessions: running episodes with an id, their limits and their life."""

from .manager import SessionManager
from .session import SessionLimits

__all__ = ["SessionLimits", "SessionManager"]
