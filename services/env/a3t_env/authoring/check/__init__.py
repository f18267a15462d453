"""`a3t env check`: what a run relies on, proven over the service's own API."""

from .checks import CHECKS, check_environment
from .model import Verdict
from .service import serving

__all__ = ["CHECKS", "Verdict", "check_environment", "serving"]
