"""Writes the reason of an ALFWorld action in a few words, most of which occur in the history.

The wording is made for small models. Their only hard decision is whether the wanted object is in the newest text. It is
expressed by the word after "I look for mug": a number copied from that text ("I look for mug 2. It is here."), or no
number ("I look for mug. Next I check shelf 3.").
"""

from __future__ import annotations

from collections.abc import Callable

from a3t_contracts.react import NO_PURPOSE, History

from .view import GoalReader, HouseholdGoal, View, fits, parse_goal, type_of, view_of

__all__ = ["alfworld_reason", "reason_in"]

_TOOLS = {"clean": ("sinkbasin", "sink"), "heat": ("microwave",), "cool": ("fridge",)}
_CLIP = 160


def alfworld_reason(history: History, action: str, read_goal: GoalReader = parse_goal) -> str:
    """Write why `action` makes sense after `history`, from visible texts only.

    An action that serves the goal gets the reason that an expert would have. The reason of any other action, such as a
    sampled one, says that it is only a try. Never raises, whatever the texts. `read_goal`: see `view_of`.
    """
    return reason_in(view_of(history, read_goal), action)


def reason_in(view: View, action: str) -> str:
    """Like `alfworld_reason`, for a state that was already read with `view_of`."""
    command = " ".join(action.split())
    verb, _, rest = command.partition(" ")
    purpose = _PURPOSES.get(verb)
    reason = purpose(view, view.goal, rest) if purpose and view.goal else _plain_reason(view, verb, rest)
    return reason or _try(command)


def _plain_reason(view: View, verb: str, rest: str) -> str | None:
    """The reason if no goal is known; None if there is none without a goal."""
    return {"open": _open, "examine": _examine}[verb](view, None, rest) if verb in ("open", "examine") else None


def _go(view: View, goal: HouseholdGoal, rest: str) -> str | None:
    recep = rest.removeprefix("to ")
    if view.held and fits(view.held, goal.obj):
        return _go_with(view, goal, view.held, recep)
    return None if view.held else _search(view, goal.obj, recep)


def _go_with(view: View, goal: HouseholdGoal, held: str, recep: str) -> str | None:
    if goal.kind == "light":
        return _search(view, goal.lamp, recep)
    if _unready(view, goal, held):
        return f"I have {held}. I {goal.kind} it with {recep}." if _is_tool(goal, recep) else None
    return f"I have {held}. I put it in {recep}." if fits(recep, goal.recep) else None


def _search(view: View, what: str, recep: str) -> str | None:
    known = view.place_of(what)
    if known and known[1] == recep:
        return f"I look for {known[0]}. It is at {recep}."
    if known is None and recep not in view.seen:
        return f"I look for {what}. Next I check {recep}."
    return None


def _take(view: View, goal: HouseholdGoal, rest: str) -> str | None:
    obj, _, recep = rest.partition(" from ")
    if not fits(obj, goal.obj) or view.held or obj not in view.seen.get(recep, []):
        return None
    if goal.kind == "two" and fits(recep, goal.recep):
        return None
    return f"I look for {obj}. It is here. I take it."


def _open(view: View, goal: HouseholdGoal | None, rest: str) -> str | None:
    return f"The {rest} is closed. I open it." if rest in view.closed else None


def _put(view: View, goal: HouseholdGoal, rest: str) -> str | None:
    held = view.held
    if not held or not fits(held, goal.obj) or not rest.startswith(f"{held} ") or _unready(view, goal, held):
        return None
    recep = " ".join(rest.split()[-2:])
    return f"I put {held} in {recep}." if fits(recep, goal.recep) else None


def _treat(verb: str) -> Callable[[View, HouseholdGoal, str], str | None]:
    def reason(view: View, goal: HouseholdGoal, rest: str) -> str | None:
        obj, _, tool = rest.partition(" with ")
        if goal.kind != verb or view.held != obj or not _unready(view, goal, obj) or not fits(obj, goal.obj):
            return None
        return f"I {verb} {obj} now." if _is_tool(goal, tool) else None

    return reason


def _use(view: View, goal: HouseholdGoal, rest: str) -> str | None:
    if goal.kind in ("use", "find"):
        return f"I look for {rest}. It is here. I use it." if fits(rest, goal.obj) else None
    if goal.kind != "light" or not fits(rest, goal.lamp) or not view.held or not fits(view.held, goal.obj):
        return None
    return f"I look for {rest}. It is here. I use it."


def _examine(view: View, goal: HouseholdGoal | None, rest: str) -> str | None:
    return f"I am already at {rest}. I examine it." if view.stuck == rest else None


def _unready(view: View, goal: HouseholdGoal, obj: str) -> bool:
    return goal.kind in _TOOLS and obj not in view.ready


def _is_tool(goal: HouseholdGoal, recep: str) -> bool:
    return fits(recep, goal.tool) if goal.tool else type_of(recep) in _TOOLS[goal.kind]


def _try(command: str) -> str:
    plain = {"inventory": "check what I carry", "look": "look around"}.get(command, command)
    return f"{NO_PURPOSE}: I {plain[:_CLIP]}."


_PURPOSES: dict[str, Callable[[View, HouseholdGoal, str], str | None]] = {
    "go": _go,
    "take": _take,
    "open": _open,
    "put": _put,
    "move": _put,
    "use": _use,
    "examine": _examine,
    "clean": _treat("clean"),
    "heat": _treat("heat"),
    "cool": _treat("cool"),
}
