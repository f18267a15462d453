"""The effects of actions on the state, and their feedback. Callers check first that the action is admissible."""

from __future__ import annotations

from collections.abc import Callable

from .game import Game
from .state import State
from .texts import examine_object, examine_receptacle, inventory, look

__all__ = ["QUERIES", "Effect"]

Effect = Callable[[Game, State, int, int], str]
"""(game, state, first entity, second entity) → observation."""


def looks(game: Game, state: State, _a: int, _b: int) -> str:
    return look(game, state)


def takes_stock(game: Game, state: State, _a: int, _b: int) -> str:
    return inventory(game, state)


def helps(game: Game, _state: State, _a: int, _b: int) -> str:
    return game.wording.help_text or ""


def examines_receptacle(game: Game, state: State, receptacle: int, _b: int) -> str:
    return examine_receptacle(game, state, receptacle)


def examines_object(game: Game, state: State, entity: int, _b: int) -> str:
    return examine_object(game, state, entity)


def goes(game: Game, state: State, receptacle: int, location: int) -> str:
    state.location = location
    return _said(game, state, "gotolocation", receptacle, location)


def opens(game: Game, state: State, receptacle: int, _b: int) -> str:
    state.opened |= {receptacle}
    return _said(game, state, "openobject", receptacle, receptacle)


def closes(game: Game, state: State, receptacle: int, _b: int) -> str:
    state.opened -= {receptacle}
    return _said(game, state, "closeobject", receptacle, receptacle)


def takes(game: Game, state: State, entity: int, receptacle: int) -> str:
    state.take(entity, receptacle)
    return _said(game, state, "pickupobject", entity, receptacle)


def puts(game: Game, state: State, entity: int, receptacle: int) -> str:
    state.put(entity, receptacle)
    return _said(game, state, "putobject", entity, receptacle)


def switches_on(game: Game, state: State, entity: int, _b: int) -> str:
    state.toggled |= {entity}
    return f"You turn on the {game.names[entity]}."


def heats(game: Game, state: State, entity: int, receptacle: int) -> str:
    state.hot |= {entity}
    state.cool -= {entity}
    return _said(game, state, "heatobject", entity, receptacle)


def cools(game: Game, state: State, entity: int, receptacle: int) -> str:
    state.cool |= {entity}
    state.hot -= {entity}
    return _said(game, state, "coolobject", entity, receptacle)


def cleans(game: Game, state: State, entity: int, receptacle: int) -> str:
    state.clean |= {entity}
    return _said(game, state, "cleanobject", entity, receptacle)


def slices(game: Game, state: State, entity: int, knife: int) -> str:
    state.sliced |= {entity}
    return _said(game, state, "sliceobject", entity, knife)


QUERIES: frozenset[Effect] = frozenset({looks, takes_stock, helps, examines_receptacle, examines_object})
"""Effects that do not change the state."""


def _said(game: Game, state: State, action: str, first: int, second: int) -> str:
    """Fill the action's phrase. If the phrase ends with what is in a receptacle, that receptacle is the first
    entity.
    """
    phrase = game.wording.feedbacks[action]
    text = phrase.text.format(game.names[first], game.names[second])
    return text + examine_receptacle(game, state, first) if phrase.examines else text
