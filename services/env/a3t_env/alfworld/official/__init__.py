"""The reference: alfworld on TextWorld, in supervised child processes because it is neither thread-safe nor bounded."""

from .engine import OfficialEngine, official_available
from .pool import OfficialPool

__all__ = ["OfficialEngine", "OfficialPool", "official_available"]
