"""Observations in the words of the official engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .game import Game
from .state import State

__all__ = ["NOTHING_HAPPENS", "examine_object", "examine_receptacle", "introduction", "inventory", "look"]

NOTHING_HAPPENS = "Nothing happens."
_MIDDLE = "You are in the middle of a room. Looking quickly around you, you see "


def introduction(game: Game, state: State) -> str:
    """The first observation. It lists the receptacles of the room; a later `look` from the same place does not."""
    room = f"{_MIDDLE}{_listing(game, sorted(game.location_of))}."
    view = look(game, state) if game.at.get(state.location) else room
    return f"-= Welcome to TextWorld, ALFRED! =-\n\n{view}\n\n{game.task}"


def look(game: Game, state: State) -> str:
    """What the agent faces, and which objects it took out of a receptacle and put into another at the same place."""
    here = game.at.get(state.location, ())
    if not here:
        return f"{_MIDDLE}nothing."
    beside = [o for o in sorted(state.lying.get(state.location, ())) for r in here if (o, r) in state.left]
    return f"You are facing the {_joined([game.names[r] for r in here])}. Next to it, you see {_listing(game, beside)}."


def inventory(game: Game, state: State) -> str:
    """What the agent carries."""
    if state.held is None:
        return "You are not carrying anything."
    return f"You are carrying: a {game.names[state.held]}."


def examine_receptacle(game: Game, state: State, receptacle: int) -> str:
    """What is in or on a receptacle, as far as it can be seen."""
    name = game.names[receptacle]
    if receptacle not in game.openable:
        return f"On the {name}, you see {_listing(game, sorted(state.contents[receptacle]))}."
    if receptacle not in state.opened:
        return f"The {name} is closed."
    return f"The {name} is open. In it, you see {_listing(game, sorted(state.contents[receptacle]))}."


def examine_object(game: Game, state: State, entity: int) -> str:
    """The condition of an object."""
    name = game.names[entity]
    if entity in game.containers:
        inside = sorted(game.containers[entity] - {entity})
        return f"This is a normal {name}. In it, you see {_listing(game, inside)}."
    condition = _condition(state, entity)
    sliced = entity in state.sliced
    if condition:
        return f"This is a {condition} {'sliced ' if sliced else ''}{name}."
    if entity in game.switchable and entity in state.toggled:
        return f"This {name} is on."
    if entity in game.sliceable and sliced:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."


def _condition(state: State, entity: int) -> str:
    clean, hot, cool = entity in state.clean, entity in state.hot, entity in state.cool
    sliced = entity in state.sliced
    if clean and (hot or cool):
        return "hot and clean" if hot else "cool and clean"
    if sliced:
        return "clean" if clean else "hot" if hot else "cool" if cool else ""
    return "hot" if hot else "clean" if clean else "cold" if cool else ""


def _listing(game: Game, entities: Iterable[int]) -> str:
    return _joined([f"a {game.names[e]}" for e in entities]) or "nothing"


def _joined(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])}, and {items[-1]}"
