"""A scripted expert that sees only observations: the source of demonstrations and the ceiling in reports."""

from .expert import ScriptedExpert
from .priors import Priors, load_priors

__all__ = ["Priors", "ScriptedExpert", "load_priors"]
