"""ALFWorld in pure Python: the PDDL semantics and the texts of the reference engine, without a planner or a C library.

problem, domain, grammar(_syntax), phrases, names   reading the three parts of a game file
game                                                 the parsed game, shared by its episodes
state, effects, commands, texts, goal(_compiler)     an episode's state and rules
engine                                               one episode
"""

from .engine import NativeEngine
from .game import Asked, Game, parse_game

__all__ = ["Asked", "Game", "NativeEngine", "parse_game"]
