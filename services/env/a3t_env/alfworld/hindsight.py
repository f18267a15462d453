"""Which goals of the six types an episode has reached, whatever it was asked for.

The answer is checked where it is used: the goal is compiled from its PDDL, and the actions are played again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .native import Game, NativeEngine
from .native.state import State
from .variant import LAMP_TASK, PLACE_TASK, TWO_TASK, Variant

__all__ = ["ReachedGoal", "goals_reached"]

_LAMPS = frozenset({"desklamptype", "floorlamptype"})
"""What objects are looked at with in ALFRED."""


@dataclass(frozen=True, slots=True)
class ReachedGoal:
    """A goal, and the number of actions after which it was reached first."""

    variant: Variant
    steps: int


def goals_reached(game: Game, actions: Sequence[str]) -> list[ReachedGoal]:
    """Goals that are not reached at the beginning of the game and are after some of the actions: those that ask for
    more than to put an object somewhere first, else in the order in which they were reached. What the game itself asks
    for is none of them: nothing counts from the action on that wins it."""
    engine = NativeEngine(game)
    engine.start()
    known = set(_reached(game, engine.state))
    found: list[ReachedGoal] = []
    for count, action in enumerate(actions, 1):
        engine.step(action)
        if engine.won:
            break
        now = set(_reached(game, engine.state)) - known
        known |= now
        found += [ReachedGoal(v, count) for v in sorted(now, key=lambda v: (v.type, v.object, v.target))]
    return sorted(found, key=lambda goal: goal.variant.type == PLACE_TASK)


def _reached(game: Game, state: State) -> Iterator[Variant]:
    for receptacle, objects in state.contents.items():
        for target in _words(game.places.get(receptacle, ())):
            yield from _placed(game, state, receptacle, target, objects)
    for obj in _words(game.types.get(state.held, ())) if state.held is not None else ():
        yield from (Variant(LAMP_TASK, obj, lamp) for lamp in _lit(game, state))


def _placed(game: Game, state: State, receptacle: int, target: str, objects: frozenset[int]) -> Iterator[Variant]:
    """Goals that what is in a receptacle reaches. No game asks to treat an object and leave it where that is done."""
    treatments = (
        ("pick_clean_then_place_in_recep", game.cleaning, state.clean),
        ("pick_heat_then_place_in_recep", game.heating, state.hot),
        ("pick_cool_then_place_in_recep", game.cooling, state.cool),
    )
    seen: set[str] = set()
    for entity in objects:
        for obj in _words(game.types.get(entity, ())):
            yield Variant(TWO_TASK if obj in seen else PLACE_TASK, obj, target)
            seen.add(obj)
            for name, (able, tools), treated in treatments:
                if entity in treated and entity in able and receptacle not in tools:
                    yield Variant(name, obj, target)


def _lit(game: Game, state: State) -> Iterator[str]:
    """Lamps that are on where the agent is."""
    for receptacle in game.at.get(state.location, ()):
        for entity in state.contents[receptacle] & state.toggled:
            yield from _words(game.types[entity] & _LAMPS)


def _words(types: frozenset[str] | tuple[()]) -> Iterator[str]:
    """Types as task lines name them: "mug" for "mugtype"."""
    return (name.removesuffix("type") for name in types)
