"""The reference engine: alfworld on TextWorld, in supervised child processes, because it is not thread-safe and leaks
memory."""

from .engine import OfficialEngine, official_available
from .pool import OfficialPool

__all__ = ["OfficialEngine", "OfficialPool", "official_available"]
