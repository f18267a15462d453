"""Replays recordings of the original: `python -m a3t_env.webshop.replay --catalogue DIR --reference DIR`.

It replays every file of a known kind in the reference folder (rankings*.jsonl, episodes*.jsonl, rewards*.jsonl, …), and
lists every difference. docs/webshop.md describes the files.
"""

from .report import Agreement, Difference
from .run import KINDS, open_shop, replay

__all__ = ["KINDS", "Agreement", "Difference", "open_shop", "replay"]
