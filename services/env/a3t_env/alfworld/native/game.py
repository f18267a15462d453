"""A parsed game: everything that stays the same over its episodes. Shared between them and never changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from a3t_contracts.errors import InvalidInputError

from .domain import Domain, read_domain
from .goal import Clause
from .goal_compiler import compile_goal
from .grammar import Wording, read_task, read_wording
from .names import demangle
from .problem import Problem, SExpression, read_problem
from .signatures import SIGNATURES
from .state import Start

__all__ = ["Asked", "Game", "parse_game"]

Facts = Mapping[str, Sequence[tuple[str, ...]]]
_Pairs = Mapping[int, frozenset[int]]

_KNIVES = frozenset({"knifetype", "butterknifetype"})
_POSITIONED = ("receptacleatlocation", "inreceptacle", "objectatlocation", "inreceptacleobject")
_SINGLE = ("receptacleatlocation", "atlocation", "holds")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a game asks for: the task line, and the PDDL goal, in small letters."""

    task: str
    goal: SExpression


@dataclass(frozen=True, slots=True, eq=False)
class Game:
    """A parsed game. Entities are numbers, in the order of their ids, which is also the order of every list that the
    agent reads.
    """

    task: str
    wording: Wording
    domain: Domain
    names: tuple[str, ...]
    goal: tuple[Clause, ...]
    start: Start
    location_of: Mapping[int, int]
    """Receptacle → location."""
    at: Mapping[int, tuple[int, ...]]
    """Location → receptacles at it."""
    openable: frozenset[int]
    takeable: frozenset[int]
    switchable: frozenset[int]
    sliceable: frozenset[int]
    knives: frozenset[int]
    accepts: Mapping[int, frozenset[str]]
    """Receptacle → object types that may be put there."""
    types: Mapping[int, frozenset[str]]
    """Object → its types."""
    places: Mapping[int, frozenset[str]]
    """Receptacle → its types."""
    cleaning: tuple[frozenset[int], frozenset[int]]
    """(objects that can be cleaned, receptacles that clean); `heating` and `cooling` likewise."""
    heating: tuple[frozenset[int], frozenset[int]]
    cooling: tuple[frozenset[int], frozenset[int]]
    containers: _Pairs
    """Receptacle object (a bowl, a box) → objects in it."""
    anywhere: dict[str, Any] = field(default_factory=dict)
    """Commands that do not depend on the state, filled by `commands` at the first use."""


def parse_game(domain: str, grammar: str, problem: str, asked: Asked | None = None) -> Game:
    """Parse the three parts of a game file. If `asked` is given, it replaces what the game asks for.

    Raises InvalidInputError, which says what is wrong with the file.
    """
    task, rest = read_task(grammar)
    wording, rules = read_wording(rest), read_domain(domain)
    if rules.has_help and wording.help_text is None:
        raise InvalidInputError("The game's domain has a help action, but its grammar has no text for it.")
    world = read_problem(problem)
    if asked is not None:
        task, world = asked.task, replace(world, goal=asked.goal)
    return _Builder(world).build(task, wording, rules)


class _Builder:
    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._facts: Facts = problem.facts
        _check(problem)
        ids = sorted({argument for rows in self._facts.values() for row in rows for argument in row})
        named = demangle(ids)
        self._numbers = {id_: number for number, id_ in enumerate(ids)}
        self._names = tuple(named.get(id_, id_) for id_ in ids)

    def build(self, task: str, wording: Wording, domain: Domain) -> Game:
        location_of = dict(self._rows("receptacleatlocation"))
        object_types, rtypes = self._types("objecttype"), self._types("receptacletype")
        return Game(
            task=task,
            wording=wording,
            domain=domain,
            names=self._names,
            goal=compile_goal(self._problem, self._numbers),
            start=self._start(location_of),
            location_of=location_of,
            at={place: tuple(sorted(rs)) for place, rs in _grouped((p, r) for r, p in location_of.items()).items()},
            openable=self._set("openable"),
            takeable=self._set("pickupable"),
            switchable=self._set("toggleable"),
            sliceable=self._set("sliceable"),
            knives=frozenset(o for o, types in object_types.items() if types & _KNIVES),
            accepts=self._accepts(rtypes),
            types=object_types,
            places=rtypes,
            cleaning=(self._set("cleanable"), _of_type(rtypes, domain.cleaners)),
            heating=(self._set("heatable"), _of_type(rtypes, {"microwavetype"})),
            cooling=(self._set("coolable"), _of_type(rtypes, {"fridgetype"})),
            containers={o: frozenset() for o in self._set("isreceptacleobject")}
            | _grouped((outer, inner) for inner, outer in self._rows("inreceptacleobject")),
        )

    def _start(self, location_of: Mapping[int, int]) -> Start:
        held = [o for _, o in self._rows("holds")]
        contents = dict.fromkeys(location_of, frozenset[int]())
        return Start(
            location=self._rows("atlocation")[0][1],
            held=held[0] if held else None,
            contents=contents | _grouped((r, o) for o, r in self._rows("inreceptacle")),
            lying=_grouped((place, o) for o, place in self._rows("objectatlocation")),
            opened=self._set("opened"),
            clean=self._set("isclean"),
            hot=self._set("ishot"),
            cool=self._set("iscool"),
            sliced=self._set("issliced"),
            toggled=self._set("istoggled"),
        )

    def _rows(self, predicate: str) -> list[tuple[int, int]]:
        return [(self._numbers[a], self._numbers[b]) for a, b in self._facts.get(predicate, ())]

    def _set(self, predicate: str) -> frozenset[int]:
        return frozenset(self._numbers[row[0]] for row in self._facts.get(predicate, ()))

    def _types(self, predicate: str) -> dict[int, frozenset[str]]:
        object_types: dict[int, set[str]] = defaultdict(set)
        for entity, object_type in self._facts.get(predicate, ()):
            object_types[self._numbers[entity]].add(object_type)
        return {entity: frozenset(types) for entity, types in object_types.items()}

    def _accepts(self, rtypes: Mapping[int, frozenset[str]]) -> dict[int, frozenset[str]]:
        by_type: dict[str, set[str]] = defaultdict(set)
        for rtype, otype in self._facts.get("cancontain", ()):
            by_type[rtype].add(otype)
        shared = {rtype: frozenset(otypes) for rtype, otypes in by_type.items()}
        none: frozenset[str] = frozenset()
        return {r: none.union(*(shared.get(t, none) for t in types)) for r, types in rtypes.items()}


def _check(problem: Problem) -> None:
    """Refuse facts that no release has, because this engine and the reference engine might treat them differently."""
    facts = problem.facts
    for predicate, rows in facts.items():
        _check_rows(predicate, rows, problem.objects)
    if list(problem.objects.values()).count("agent") != 1:
        raise InvalidInputError("The game has no agent, or more than one.")
    if not facts.get("atlocation"):
        raise InvalidInputError("The game does not say where the agent starts.")
    for predicate in _SINGLE:
        distinct = set(facts.get(predicate, ()))
        if len({row[0] for row in distinct}) != len(distinct):
            raise InvalidInputError(f"The game has more than one {predicate} for the same thing.")
    for predicate in _POSITIONED:
        for row in facts.get(predicate, ()):
            if not all("_bar_" in argument for argument in row):
                raise InvalidInputError(f"The game has a {predicate} fact about something without a position.")
    if bool(facts.get("holds")) != bool(facts.get("holdsany")):
        raise InvalidInputError("The game's facts disagree about what the agent holds.")


def _check_rows(predicate: str, rows: Sequence[tuple[str, ...]], types: Mapping[str, str]) -> None:
    """Refuse facts of a predicate whose number or types of arguments differ from what the domain declares."""
    wanted = SIGNATURES.get(predicate)
    if wanted is None:
        raise InvalidInputError(f"The game has facts of an unknown predicate: {predicate[:40]}.")
    for row in rows:
        if tuple([types[argument] for argument in row]) != wanted:
            raise InvalidInputError(
                f"A {predicate} fact of the game is about {' '.join(row)[:120]!r}; expected: {' '.join(wanted)}."
            )


def _grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, frozenset[int]]:
    groups: dict[int, set[int]] = defaultdict(set)
    for key, value in pairs:
        groups[key].add(value)
    return {key: frozenset(values) for key, values in groups.items()}


def _of_type(object_types: Mapping[int, frozenset[str]], wanted: Iterable[str]) -> frozenset[int]:
    types = frozenset(wanted)
    return frozenset(entity for entity, object_type in object_types.items() if object_type & types)
