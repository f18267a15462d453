"""Run recipes: everything that a run depends on, typed, from YAML."""

from .load import *  # noqa: F403
from .schema import *  # noqa: F403
