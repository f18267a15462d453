"""The database: what every run has done and still has to do. The queue only transports work that is recorded here."""

from .branch import *  # noqa: F403
from .control import *  # noqa: F403
from .database import *  # noqa: F403
from .episodes import *  # noqa: F403
from .failures import *  # noqa: F403
from .leases import *  # noqa: F403
from .listing import *  # noqa: F403
from .load import *  # noqa: F403
from .outcomes import *  # noqa: F403
from .pairs import *  # noqa: F403
from .progress import *  # noqa: F403
from .records import *  # noqa: F403
from .runs import *  # noqa: F403
from .search import *  # noqa: F403
from .tables import *  # noqa: F403
from .work import *  # noqa: F403
