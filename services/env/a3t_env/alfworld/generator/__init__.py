"""Generates games from the files of the alfworld package: floor plans, object lists, PDDL domain, grammar, templates.

package, scene      reading the alfworld package; a room with its receptacles
task, placement     a task for the room; objects where they usually are
problem, generate   the PDDL problem; the game file and its check
walkthrough         the proof that a game can be solved
stage               adding the games to a data folder
"""

from .generate import HELDOUT_SPLIT, TRAIN_SPLIT, GeneratedGame, generate_games
from .stage import add_generated, stage

__all__ = ["HELDOUT_SPLIT", "TRAIN_SPLIT", "GeneratedGame", "add_generated", "generate_games", "stage"]
