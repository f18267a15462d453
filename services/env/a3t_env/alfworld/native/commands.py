"""Admissible commands of a state."""

from __future__ import annotations

from collections.abc import Iterator

from . import effects
from .effects import Effect
from .game import Game
from .state import State

__all__ = ["Commands", "admissible"]

Commands = dict[str, tuple[Effect, int, int]]
"""Command → its effect, and the two entities that it is about."""


def admissible(game: Game, state: State) -> Commands:
    """Return the admissible commands by their text. What the agent sees is sorted."""
    commands = dict(_anywhere(game))
    for receptacle in game.at.get(state.location, ()):
        del commands[_go_to(game, receptacle)]
        commands[f"examine {game.names[receptacle]}"] = (effects.examines_receptacle, receptacle, receptacle)
        commands.update(_at(game, state, receptacle))
    if state.held is not None:
        commands.update(_holding(game, state, state.held))
    return commands


def _anywhere(game: Game) -> Commands:
    """Commands that are admissible in any place, such as going to each receptacle; made once for a game."""
    if not game.anywhere:
        known: Commands = {_go_to(game, r): (effects.goes, r, place) for r, place in game.location_of.items()}
        known |= {"look": (effects.looks, 0, 0), "inventory": (effects.takes_stock, 0, 0)}
        if game.domain.has_help:
            known["help"] = (effects.helps, 0, 0)
        game.anywhere.update(known)
    return game.anywhere


def _go_to(game: Game, receptacle: int) -> str:
    return game.wording.commands["gotolocation"].text.format(game.names[receptacle])


def _at(game: Game, state: State, receptacle: int) -> Iterator[tuple[str, tuple[Effect, int, int]]]:
    names, phrases = game.names, game.wording.commands
    closed = receptacle in game.openable and receptacle not in state.opened
    if receptacle in game.openable:
        verb, effect = ("openobject", effects.opens) if closed else ("closeobject", effects.closes)
        yield phrases[verb].text.format(names[receptacle]), (effect, receptacle, receptacle)
    for entity in state.contents[receptacle]:
        if not closed and state.held is None and entity in game.takeable:
            text = phrases["pickupobject"].text.format(names[entity], names[receptacle])
            yield text, (effects.takes, entity, receptacle)
        if entity in game.switchable:
            yield f"use {names[entity]}", (effects.switches_on, entity, entity)


def _holding(game: Game, state: State, held: int) -> Iterator[tuple[str, tuple[Effect, int, int]]]:
    names, phrases = game.names, game.wording.commands
    yield f"examine {names[held]}", (effects.examines_object, held, held)
    for receptacle in game.at.get(state.location, ()):
        for verb, effect in _uses(game, state, held, receptacle):
            yield phrases[verb].text.format(names[held], names[receptacle]), (effect, held, receptacle)
    if held in game.knives:
        for entity in state.lying.get(state.location, ()):
            if entity in game.sliceable:
                yield phrases["sliceobject"].text.format(names[entity], names[held]), (effects.slices, entity, held)


def _uses(game: Game, state: State, held: int, receptacle: int) -> Iterator[tuple[str, Effect]]:
    """Yield what can be done with the held object at a receptacle. Heating, cooling and cleaning need no open door."""
    is_open = receptacle not in game.openable or receptacle in state.opened
    if is_open and not game.accepts.get(receptacle, frozenset()).isdisjoint(game.types.get(held, ())):
        yield "putobject", effects.puts
    for verb, effect, (objects, receptacles) in (
        ("heatobject", effects.heats, game.heating),
        ("coolobject", effects.cools, game.cooling),
        ("cleanobject", effects.cleans, game.cleaning),
    ):
        if held in objects and receptacle in receptacles:
            yield verb, effect
