"""Run recipes: typed YAML files with everything that a run depends on."""

from .exploration import *  # noqa: F403
from .extend import preset_names as preset_names
from .learning import *  # noqa: F403
from .load import *  # noqa: F403
from .schema import *  # noqa: F403
from .shipped import *  # noqa: F403
from .tasks import *  # noqa: F403
