"""Reads an ALFWorld episode's visible texts: the goal, where the agent is, what it holds and what it has seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from a3t_contracts.react import History, observation_text

__all__ = [
    "GoalReader",
    "HouseholdGoal",
    "Shape",
    "View",
    "fits",
    "goal_of",
    "parse_goal",
    "read_turn",
    "task_line",
    "type_of",
    "view_of",
]

GoalKind = Literal["put", "clean", "heat", "cool", "light", "two", "find", "use"]
Shape = tuple[re.Pattern[str], GoalKind | None]
"""The pattern of a task line, and its kind (see `goal_of`)."""

_TASK = re.compile(r"Your task is to: ([^\n.]+)")
_KIND_OF_WORD: dict[str, GoalKind] = {
    "clean": "clean",
    "hot": "heat",
    "heat": "heat",
    "cool": "cool",
    "cold": "cool",
}
_A = r"(?:an? |some |the )?"
_IN = rf"(?:in/on|in|on) {_A}(?P<recep>\w+)"
_NAME = r"[a-z]+ \d+"
_GOALS: tuple[Shape, ...] = (
    (re.compile(rf"(?:look at|examine) {_A}(?P<obj>\w+) (?:under|with) {_A}(?P<lamp>\w+)"), "light"),
    (re.compile(rf"(?:put|find) two (?P<obj>\w+) (?:and put them )?{_IN}"), "two"),
    (re.compile(rf"put {_A}(?P<how>clean|hot|cool|cold) (?P<obj>\w+) {_IN}"), None),
    (re.compile(rf"(?P<how>clean|heat|cool) {_A}(?P<obj>\w+) and put (?:it|them) {_IN}"), None),
    (re.compile(rf"put {_A}(?P<obj>\w+) {_IN}"), "put"),
)

_LISTING = re.compile(rf"(?:On the ({_NAME})|The ({_NAME}) is open\. In it), you see ([^.]*)")
_CLOSED = re.compile(rf"The ({_NAME}) is closed")
_ITEM = re.compile(rf"\ban? ({_NAME})")
_NOTHING = "Nothing happens"


@dataclass(frozen=True, slots=True)
class HouseholdGoal:
    """What a task asks for, in the terms of reasons.

    The games have six kinds of goals, from `put` to `two`, which name only types ("mug"). A reader of other task lines
    (see `view_of`) may also name single objects ("mug 2") and a tool, say where objects are, and ask to find or to use
    an object. `obj`, `recep`, `lamp` and `tool` are types or names; empty if the goal has none.
    """

    kind: GoalKind
    obj: str
    recep: str = ""
    lamp: str = ""
    tool: str = ""
    told: tuple[tuple[str, str], ...] = ()
    """(object, place) pairs for which the task line says where the object is."""


GoalReader = Callable[[str], HouseholdGoal | None]


@dataclass(slots=True)
class View:
    """The state of an episode, as far as its texts show it. "mug 2" is a name, "mug" a type."""

    goal: HouseholdGoal | None
    at: str | None = None
    held: str | None = None
    seen: dict[str, list[str]] = field(default_factory=dict)
    """Receptacle → its objects when it was last seen, without those taken since, with those put there since."""
    closed: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)
    """Objects that were cleaned, heated or cooled as the goal asks."""
    stuck: str | None = None
    """Receptacle of a last "go to" that had no effect, because the agent was already there."""

    def place_of(self, type_: str) -> tuple[str, str] | None:
        """The (object, receptacle) of a type or name that was seen last; one in the present receptacle is preferred.
        None if there is none.
        """
        places = sorted(self.seen, key=lambda r: r != self.at)
        return next(((o, r) for r in places for o in reversed(self.seen[r]) if self._counts(o, r, type_)), None)

    def _counts(self, obj: str, recep: str, type_: str) -> bool:
        delivered = self.goal is not None and self.goal.kind == "two" and fits(recep, self.goal.recep)
        return fits(obj, type_) and not delivered


def type_of(name: str) -> str:
    """ "mug 2" → "mug"."""
    return name.rsplit(" ", 1)[0]


def fits(name: str, wanted: str) -> bool:
    """Whether an object such as "mug 2" is the wanted one, given by its type ("mug") or by its name ("mug 2")."""
    return name == wanted or type_of(name) == wanted


def parse_goal(observation: str) -> HouseholdGoal | None:
    """Read the goal from a game's "Your task is to: …"; None if no pattern fits."""
    return goal_of(task_line(observation), _GOALS)


def task_line(observation: str) -> str:
    """The text after "Your task is to:", in small letters and without the full stop; empty if there is none."""
    task = _TASK.search(observation)
    return task.group(1).strip().lower() if task else ""


def goal_of(line: str, shapes: Sequence[Shape], told: tuple[tuple[str, str], ...] = ()) -> HouseholdGoal | None:
    """Read the goal with the first shape that fits the line; None if none fits.

    The groups of a shape are fields of `HouseholdGoal`. If its kind is None, its group `how` gives the kind.
    """
    for pattern, kind in shapes:
        match = pattern.match(line)
        if match:
            parts = match.groupdict(default="")
            return HouseholdGoal(kind or _KIND_OF_WORD[parts.pop("how")], **parts, told=told)
    return None


def view_of(history: History, read_goal: GoalReader = parse_goal) -> View:
    """Read the state of an episode from its history.

    `read_goal` gets the first observation. It may understand other task lines than those of the games.
    """
    view = View(read_goal(observation_text(history.observation)))
    for thing, place in view.goal.told if view.goal else ():
        view.seen.setdefault(place, []).insert(0, thing)
    for turn in history.turns:
        read_turn(view, " ".join(turn.action.split()), observation_text(turn.observation))
    return view


def read_turn(view: View, action: str, observation: str) -> None:
    """Update the view with one turn: an action, and the observation that followed."""
    verb, _, rest = action.partition(" ")
    view.stuck = None
    if observation.startswith(_NOTHING):
        view.stuck = rest.removeprefix("to ") if verb == "go" else None
        return
    if verb == "go" and observation.startswith("You arrive"):
        view.at = rest.removeprefix("to ")
    elif verb == "examine" and rest in _receptacles(observation):
        view.at = rest
    elif verb in ("take", "put", "move"):
        _carry(view, verb, rest)
    elif verb in ("clean", "heat", "cool") and view.goal and view.goal.kind == verb:
        view.ready.add(rest.partition(" with ")[0])
    elif verb == "close":
        view.closed.add(rest)
    _read(view, observation)


def _carry(view: View, verb: str, rest: str) -> None:
    obj, recep = _split_move(rest)
    if verb == "take":
        view.held = obj
        view.seen[recep] = [o for o in view.seen.get(recep, []) if o != obj]
    else:
        view.held = None
        view.seen.setdefault(recep, []).append(obj)


def _split_move(rest: str) -> tuple[str, str]:
    """ "mug 2 from shelf 1", "mug 2 in/on shelf 1" or "mug 2 to shelf 1" → ("mug 2", "shelf 1")."""
    obj, _, recep = re.sub(r" (?:from|to|in/on|in|on|into) ", "\n", rest, count=1).partition("\n")
    return obj, recep


def _read(view: View, observation: str) -> None:
    for on, inside, listing in _LISTING.findall(observation):
        view.seen[on or inside] = _ITEM.findall(listing)
        view.closed.discard(on or inside)
    view.closed.update(_CLOSED.findall(observation))


def _receptacles(observation: str) -> set[str]:
    return {on or inside for on, inside, _ in _LISTING.findall(observation)} | set(_CLOSED.findall(observation))
