"""A scripted expert that sees only observations: the source of demonstrations and the ceiling in reports."""

from .expert import ScriptedExpert, Search
from .priors import Priors, load_priors
from .solve import solve

__all__ = ["Priors", "ScriptedExpert", "Search", "load_priors", "solve"]
