"""`a3t env check`: tests over the service's API whether an environment does what runs rely on."""

from .checks import CHECKS, check_environment
from .model import Verdict
from .service import serving

__all__ = ["CHECKS", "Verdict", "check_environment", "serving"]
