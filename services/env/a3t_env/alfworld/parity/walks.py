"""Chooses the commands of a comparison: every kind of command often, including rare ones.

A walk sees the native engine's game and admissible commands, and yields one command at a time.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..expert import ScriptedExpert
from ..native import Game, NativeEngine

__all__ = ["Walk", "walk"]

Walk = Iterator[str]

_MALFORMED = (
    "",
    "  ",
    "xyzzy",
    "go to",
    "go to nowhere 1",
    "take",
    "take mug 99 from cabinet 99",
    "Look",
    "LOOK",
    "look ",
    " look",
    "look around",
    "inventory\n",
    "open",
    "open  cabinet 1",
    "examine loc 1",
    "use desklamp 99",
    "help me",
    "put mug 1 in/on cabinet 1",
    "move mug 1 to cabinet 1",
    "heat  mug 1 with microwave 1",
    "go to agent1",
    "\tlook\t",
    "take {o} from {r}",
    "#look.feedback#",
    "go to cabinet 1\nlook",
    "slice apple 1 with knife 1",
    "Nothing happens.",
    "açaí ☃",
)
_MALFORMED_SHARE = 0.15


def walk(game: Game, engine: NativeEngine, first: str, rng: random.Random) -> Walk:
    """Return a random one of four kinds of walk: by verbs, through every appliance, stacking, or the scripted
    expert.
    """
    kinds = (_by_verbs, _errands, _stacking, _expert)
    steps = rng.choice(kinds)(game, engine, first, rng)
    fallback = _by_verbs(game, engine, first, rng)
    while True:
        if rng.random() < _MALFORMED_SHARE:
            yield _malformed(engine.actions(), rng)
        yield next(steps, None) or next(fallback)


def _by_verbs(_game: Game, engine: NativeEngine, _first: str, rng: random.Random) -> Walk:
    """A random verb, then a random command with it, so that rare verbs are as frequent as common ones."""
    while True:
        by_verb: dict[str, list[str]] = defaultdict(list)
        for command in engine.actions():
            by_verb[command.split()[0]].append(command)
        yield rng.choice(by_verb[rng.choice(sorted(by_verb))])


def _errands(game: Game, engine: NativeEngine, _first: str, rng: random.Random) -> Walk:
    """Take an object, use every appliance that works on it, look at it, slice with it, and put it down."""
    able = [(o, r) for o, r in _reachable(game) if any(o in objects for objects, _ in _appliances(game))]
    able += [(o, r) for o, r in _reachable(game) if o in game.knives]
    rng.shuffle(able)
    for entity, receptacle in able[:6]:
        yield from _fetch(game, engine, entity, receptacle)
        for objects, receptacles in rng.sample(_appliances(game), 3):
            if entity in objects and receptacles:
                yield f"go to {game.names[rng.choice(sorted(receptacles))]}"
                yield from _all(engine, ("heat ", "cool ", "clean "))
                yield f"examine {game.names[entity]}"
        if entity in game.knives:
            yield from _slice_all(game, engine, rng)
        yield from _put_down(engine, rng)


def _stacking(game: Game, engine: NativeEngine, _first: str, rng: random.Random) -> Walk:
    """Carry objects between receptacles at the same place, then look: "Next to it" lists the carried objects."""
    shared = [r for rs in game.at.values() if len(rs) > 1 for r in rs]
    source = [(o, r) for o, r in _reachable(game) if r in shared] or _reachable(game)
    rng.shuffle(source)
    for entity, receptacle in source[:6]:
        yield from _fetch(game, engine, entity, receptacle)
        yield from _all(engine, ("open ",))
        yield from _put_down(engine, rng)
        yield "look"
        yield from rng.sample(_starting(engine, "examine "), 1)


def _expert(_game: Game, engine: NativeEngine, first: str, _rng: random.Random) -> Walk:
    """The scripted expert, to the end of the game."""
    expert = ScriptedExpert(first)
    shadow = NativeEngine(_game)
    shadow.start()
    while not shadow.won:
        command = expert.act()
        yield command
        expert.observe(command, shadow.step(command)[0])


def _fetch(game: Game, engine: NativeEngine, entity: int, receptacle: int) -> Walk:
    name = game.names[receptacle]
    yield f"go to {name}"
    if f"open {name}" in engine.actions():
        yield f"open {name}"
    yield f"take {game.names[entity]} from {name}"
    yield "inventory"


def _slice_all(game: Game, engine: NativeEngine, rng: random.Random) -> Walk:
    lying = [(o, r) for o, r in _reachable(game) if o in game.sliceable]
    for entity, receptacle in rng.sample(lying, min(2, len(lying))):
        yield f"go to {game.names[receptacle]}"
        yield from _all(engine, ("slice ",))
        yield f"examine {game.names[entity]}"


def _put_down(engine: NativeEngine, rng: random.Random) -> Walk:
    for _ in range(4):
        ways = [*_starting(engine, "put "), *_starting(engine, "move ")]
        if ways:
            yield rng.choice(ways)
            return
        yield rng.choice(_starting(engine, "open ") or _starting(engine, "go to ") or ["look"])


def _all(engine: NativeEngine, verbs: Sequence[str]) -> Walk:
    for verb in verbs:
        yield from _starting(engine, verb)


def _starting(engine: NativeEngine, start: str) -> list[str]:
    return [command for command in engine.actions() if command.startswith(start)]


def _reachable(game: Game) -> list[tuple[int, int]]:
    """(object, receptacle) of everything that can be taken at the start."""
    return [(o, r) for r, objects in sorted(game.start.contents.items()) for o in sorted(objects) if o in game.takeable]


def _appliances(game: Game) -> list[tuple[frozenset[int], frozenset[int]]]:
    return [game.heating, game.cooling, game.cleaning]


def _malformed(actions: Sequence[str], rng: random.Random) -> str:
    """Nonsense, or an admissible command with a word or a letter changed."""
    if rng.random() < 0.5:
        return rng.choice(_MALFORMED)
    command = rng.choice(actions)
    place = rng.randrange(len(command))
    return rng.choice(
        (
            command[:place] + command[place + 1 :],
            command.upper(),
            f"{command} {command}",
            command.replace(" ", "  "),
            command.replace("take", "move"),
            command + " 1",
            command[:place] + "7" + command[place + 1 :],
            f" {command}\n",
        )
    )
