"""Run recipes: typed YAML files with everything that a run depends on."""

from .extend import preset_names as preset_names
from .load import *  # noqa: F403
from .schema import *  # noqa: F403
from .shipped import *  # noqa: F403
