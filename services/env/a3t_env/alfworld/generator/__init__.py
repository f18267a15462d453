"""Games generated from what the alfworld package ships: floor plans, object lists, PDDL domain, grammar, templates.

package, scene      what is shipped; a room with its receptacles
task, placement     a task for the room; things where they usually are
problem, generate   the PDDL problem; the game file and its check
walkthrough         the proof that a game can be solved
stage               into a data folder
"""

from .generate import HELDOUT_SPLIT, TRAIN_SPLIT, GeneratedGame, generate_games
from .stage import add_generated, stage

__all__ = ["HELDOUT_SPLIT", "TRAIN_SPLIT", "GeneratedGame", "add_generated", "generate_games", "stage"]
