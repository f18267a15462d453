"""Solves a generated game with full knowledge of the room: proves that it can be solved and stores the walkthrough."""

from __future__ import annotations

from collections.abc import Iterator

from ..native import Game, NativeEngine
from .task import DrawnTask

__all__ = ["solve"]

_VERBS = {"SinkBasin": "clean", "Microwave": "heat", "Fridge": "cool"}


def solve(game: Game, task: DrawnTask) -> list[str] | None:
    """Return admissible commands that win the game, or None if the plan does not win it.

    It is also None for a game that is won before the first command.
    """
    engine = NativeEngine(game)
    engine.start()
    if engine.won:
        return None
    done = []
    for command in _plan(game, task):
        if command in engine.actions():
            engine.step(command)
            done.append(command)
        elif not command.startswith(("go to ", "open ")):
            return None
    return done if engine.won else None


def _plan(game: Game, task: DrawnTask) -> Iterator[str]:
    """Yield the shortest plan. "go to" is left out where the agent stands there already, "open" where it is open."""
    wanted = [pair for pair in _lying(game, task.object) if _type_of(game, pair[1]) != task.target.lower()]
    for entity, receptacle in wanted[: task.count]:
        name, place = game.names[entity], game.names[receptacle]
        yield f"go to {place}"
        yield f"open {place}"
        yield f"take {name} from {place}"
        if task.lamp:
            lamp, beside = next(iter(_lying(game, task.lamp)))
            yield f"go to {game.names[beside]}"
            yield f"use {game.names[lamp]}"
            return
        if task.appliance:
            appliance = _first(game, task.appliance)
            yield f"go to {appliance}"
            yield f"{_VERBS[task.appliance]} {name} with {appliance}"
        target = _first(game, task.target)
        yield f"go to {target}"
        yield f"open {target}"
        yield game.wording.commands["putobject"].text.format(name, target)


def _lying(game: Game, object_type: str) -> Iterator[tuple[int, int]]:
    for receptacle, objects in sorted(game.start.contents.items()):
        yield from ((o, receptacle) for o in sorted(objects) if _type_of(game, o) == object_type.lower())


def _first(game: Game, object_type: str) -> str:
    return next(game.names[r] for r in sorted(game.location_of) if _type_of(game, r) == object_type.lower())


def _type_of(game: Game, entity: int) -> str:
    return game.names[entity].rsplit(" ", 1)[0]
