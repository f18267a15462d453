"""Replays recordings of the original: `python -m a3t_env.webshop.replay --catalogue DIR --reference DIR`.

Every file of a known kind in the reference folder is replayed (rankings*.jsonl, episodes*.jsonl, rewards*.jsonl, …) and
every difference is listed. docs/webshop.md describes the files.
"""

from .report import Agreement, Difference
from .run import KINDS, open_shop, replay

__all__ = ["KINDS", "Agreement", "Difference", "open_shop", "replay"]
