"""When a game is won: clauses of a compiled goal, checked against an episode's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .state import State

__all__ = ["DYNAMIC", "Ask", "Clause", "Literal", "holds"]

Ask = Callable[[State, tuple[int, ...]], bool]

DYNAMIC: Mapping[str, Ask] = {
    "inreceptacle": lambda state, a: a[0] in state.contents.get(a[1], ()),
    "objectatlocation": lambda state, a: a[0] in state.lying.get(a[1], ()),
    "atlocation": lambda state, a: state.location == a[1],
    "holds": lambda state, a: state.held == a[1],
    "opened": lambda state, a: a[0] in state.opened,
    "isclean": lambda state, a: a[0] in state.clean,
    "ishot": lambda state, a: a[0] in state.hot,
    "iscool": lambda state, a: a[0] in state.cool,
    "issliced": lambda state, a: a[0] in state.sliced,
    "istoggled": lambda state, a: a[0] in state.toggled,
}
"""Predicates whose facts change during an episode. There is one agent, so an agent argument is ignored."""


@dataclass(frozen=True, slots=True)
class Literal:
    """One condition on the entities that the variables at `slots` are bound to."""

    slots: tuple[int, ...]
    ask: Ask
    positive: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """An `exists` of the goal: for each variable, its candidates and the literals that can be decided once it
    is bound.
    """

    candidates: tuple[tuple[int, ...], ...]
    literals: tuple[tuple[Literal, ...], ...]

    def holds(self, state: State) -> bool:
        """Whether some binding satisfies every literal."""
        return self._join(state, [])

    def _join(self, state: State, bound: list[int]) -> bool:
        depth = len(bound)
        if depth == len(self.candidates):
            return True
        for entity in self.candidates[depth]:
            bound.append(entity)
            if self._allowed(state, bound, depth) and self._join(state, bound):
                return True
            bound.pop()
        return False

    def _allowed(self, state: State, bound: list[int], depth: int) -> bool:
        for literal in self.literals[depth]:
            if literal.ask(state, tuple([bound[slot] for slot in literal.slots])) is not literal.positive:
                return False
        return True


def holds(goal: Sequence[Clause], state: State) -> bool:
    """Whether the state satisfies every clause."""
    return all(clause.holds(state) for clause in goal)
