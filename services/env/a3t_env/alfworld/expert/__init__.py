"""A scripted expert that sees only observations. It plays demonstrations, and reports show its success as an upper
bound.
"""

from .expert import ScriptedExpert, Search
from .priors import Priors, load_priors
from .solve import solve

__all__ = ["Priors", "ScriptedExpert", "Search", "load_priors", "solve"]
