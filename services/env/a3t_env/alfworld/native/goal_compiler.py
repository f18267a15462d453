"""Compile the goal of a PDDL problem, once for a game.

A goal is a conjunction of `exists` clauses. Each is flattened to variables and literals. Literals over what never
changes (types, what can be heated, where a receptacle stands) narrow the candidates of a variable at once; the others
are asked of the state as early as their variables are bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from a3t_contracts.errors import InvalidInputError

from .goal import DYNAMIC, Ask, Clause, Literal
from .problem import Problem, SExpression
from .signatures import SIGNATURES

__all__ = ["compile_goal"]

_UNCHANGING = frozenset(
    {
        "objecttype",
        "receptacletype",
        "receptacleatlocation",
        "inreceptacleobject",
        "isreceptacleobject",
        "openable",
        "pickupable",
        "cleanable",
        "heatable",
        "coolable",
        "toggleable",
        "sliceable",
        "cancontain",
    }
)

_MAX_BINDINGS = 1_000_000

_Raw = tuple[str, tuple[int | str, ...], bool]
"""Predicate, arguments (a slot, or the name of a constant), positive or negated."""


def compile_goal(problem: Problem, numbers: Mapping[str, int]) -> tuple[Clause, ...]:
    """Compile the goal to clauses over numbered entities. Raises InvalidInputError for an unknown form of goal."""
    parts = problem.goal[1:] if problem.goal and problem.goal[0] == "and" else [problem.goal]
    return tuple(_ClauseCompiler(problem, numbers).compile(part) for part in parts)


class _ClauseCompiler:
    def __init__(self, problem: Problem, numbers: Mapping[str, int]) -> None:
        self._problem = problem
        self._numbers = numbers
        self._types: list[str] = []
        self._raw: list[_Raw] = []

    def compile(self, part: SExpression | str) -> Clause:
        self._flatten(part, {}, positive=True)
        literals: list[list[Literal]] = [[] for _ in self._types]
        for name, arguments, positive in self._raw:
            slots = tuple(a for a in arguments if isinstance(a, int))
            if not slots or (len(slots) == 1 and name in _UNCHANGING):
                continue
            literals[max(slots)].append(Literal(slots, self._ask(name, arguments), positive))
        candidates = tuple(self._candidates(slot) for slot in range(len(self._types)))
        if math.prod(map(len, candidates)) > _MAX_BINDINGS:
            raise InvalidInputError("The PDDL goal has too many variables to be checked after every step.")
        return Clause(candidates, tuple(map(tuple, literals)))

    def _flatten(self, part: SExpression | str, scope: Mapping[str, int], *, positive: bool) -> None:
        match part:
            case ["and", *rest] if positive:
                for child in rest:
                    self._flatten(child, scope, positive=True)
            case ["exists", list() as variables, body] if positive:
                self._flatten(body, {**scope, **self._declare(variables)}, positive=True)
            case ["not", child] if positive:
                self._flatten(child, scope, positive=False)
            case [str() as name, *arguments] if len(arguments) == _arity(name):
                self._raw.append((name, tuple(self._argument(a, scope) for a in arguments), positive))
            case _:
                raise InvalidInputError(f"The PDDL goal has a part that is not known: {str(part)[:80]}.")

    def _declare(self, tokens: SExpression) -> dict[str, int]:
        scope: dict[str, int] = {}
        fresh: list[str] = []
        rest = iter(map(str, tokens))
        for word in rest:
            if word != "-":
                fresh.append(word)
                continue
            object_type = next(rest, "")
            for name in fresh:
                scope[name] = len(self._types)
                self._types.append(object_type)
            fresh.clear()
        if fresh:
            raise InvalidInputError(f"The PDDL goal has a variable without a type: {fresh[0][:80]}.")
        return scope

    def _argument(self, argument: SExpression | str, scope: Mapping[str, int]) -> int | str:
        if isinstance(argument, str) and argument in scope:
            return scope[argument]
        if isinstance(argument, str) and argument in self._problem.objects:
            return argument
        raise InvalidInputError(f"The PDDL goal names something that is not declared: {str(argument)[:80]}.")

    def _candidates(self, slot: int) -> tuple[int, ...]:
        object_type = self._types[slot]
        names = [name for name, k in self._problem.objects.items() if k == object_type and name in self._numbers]
        for name, arguments, positive in self._raw:
            if name in _UNCHANGING and [a for a in arguments if isinstance(a, int)] == [slot]:
                allowed = self._matching(name, arguments)
                names = [n for n in names if (n in allowed) is positive]
        return tuple(sorted(self._numbers[n] for n in names))

    def _matching(self, predicate: str, arguments: tuple[int | str, ...]) -> set[str]:
        """Return the values of the only variable among the arguments for which the game has such a fact."""
        place = next(i for i, a in enumerate(arguments) if isinstance(a, int))
        rows = (row for row in self._problem.facts.get(predicate, ()) if len(row) == len(arguments))
        return {row[place] for row in rows if all(a == row[i] for i, a in enumerate(arguments) if isinstance(a, str))}

    def _ask(self, name: str, arguments: tuple[int | str, ...]) -> Ask:
        if name == "=":
            return lambda state, bound: bound[0] == bound[1]
        if any(isinstance(a, str) for a in arguments):
            raise InvalidInputError(f"The PDDL goal asks {name} of a constant, which is not known.")
        if name in DYNAMIC:
            return DYNAMIC[name]
        rows = frozenset(
            tuple(self._numbers[x] for x in row)
            for row in self._problem.facts.get(name, ())
            if all(x in self._numbers for x in row)
        )
        return lambda state, bound: bound in rows


def _arity(name: str) -> int:
    """Number of arguments of a predicate that a goal may use; −1 for any other."""
    if name == "=":
        return 2
    return len(SIGNATURES[name]) if name in DYNAMIC or name in _UNCHANGING else -1
