"""A scripted agent that sees only what an agent sees, and knows in which receptacles things usually are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from .belief import Belief
from .priors import Priors, load_priors
from .reading import type_of
from .task import ParsedTask, parse_task

__all__ = ["ScriptedExpert", "Search"]

Search = Literal["likely", "listed"]
"""How the expert chooses where to look next: where such objects are most often, or the next place in the room's list.
"""

_APPLIANCES = {"heat": ("microwave",), "cool": ("fridge",), "clean": ("sinkbasin", "sink", "bathtubbasin")}
_OPENING_COST = 2.0
"""Number of steps for looking into a closed receptacle."""
_CLOSABLE = frozenset({"cabinet", "drawer", "fridge", "microwave", "safe"})
_PLAUSIBLE = 0.05
"""A "listed" search visits a place last if it is less than this fraction as likely as the likeliest place."""


class ScriptedExpert:
    """Plays an episode. Call `observe` with every action and its observation, whoever chose the action; `act` returns
    the next action.

    It takes the last matching object that a list names, and never repeats an action that just had no effect.

    Args:
        first_observation: the text with the room and the task. Raises InvalidInputError for an unknown task.
        priors: how often objects are in receptacles; the shipped table by default.
        search: "likely" always visits the receptacle where such objects are most often, which takes the fewest steps.
            "listed" visits that one first, then follows the room's list from there, implausible ones last; a reader can
            predict most of such a search from the text.
    """

    def __init__(self, first_observation: str, priors: Priors | None = None, search: Search = "likely") -> None:
        self.goal: ParsedTask = parse_task(first_observation)
        self._belief = Belief(first_observation)
        self._priors = priors or load_priors()
        self._listed = search == "listed"

    def observe(self, action: str, observation: str) -> None:
        """Receive an action and the observation that followed."""
        self._belief.observe(action, observation)

    def act(self) -> str:
        """Return the next action; "look" if nothing is left to try."""
        for action in self._ideas():
            if action not in self._belief.failed:
                return action
        self._belief.failed.clear()
        return "look"

    def _ideas(self) -> Iterator[str]:
        """Actions worth trying now, the best first."""
        held = self._belief.held
        if held is None:
            yield from self._fetch(self.goal.object)
        elif type_of(held) != self.goal.object:
            yield from self._drop(held)
        elif self.goal.lamp:
            yield from self._light(self.goal.lamp)
        elif self.goal.treatment and self.goal.treatment not in self._belief.treated.get(held, ()):
            yield from self._treat(held, self.goal.treatment)
        else:
            yield from self._deliver(held)

    def _fetch(self, wanted: str) -> Iterator[str]:
        known = [(o, r) for o, r in self._belief.where(wanted) if not self._is_placed(o, r)]
        treatment = self.goal.treatment
        known.sort(
            key=lambda pair: (pair[1] not in self._belief.here, treatment not in self._belief.treated.get(pair[0], ()))
        )
        for entity, receptacle in known:
            yield from self._at(receptacle, f"take {entity} from {receptacle}")
        yield from self._search(wanted)

    def _is_placed(self, entity: str, receptacle: str) -> bool:
        """Whether an object lies where the goal wants it. If the goal asks for two, both must be in the same
        receptacle.
        """
        if self.goal.count == 1:
            return False
        return receptacle == self._target_of_two()

    def _target_of_two(self) -> str | None:
        """The receptacle that already has one of the objects; None while no target has."""
        seen = self._belief.seen
        counts = {r: sum(type_of(o) == self.goal.object for o in seen.get(r, ())) for r in self._targets()}
        best = max(counts, key=lambda r: counts[r], default=None)
        return best if best is not None and counts[best] else None

    def _targets(self) -> list[str]:
        return [r for r in self._belief.receptacles if type_of(r) == self.goal.target]

    def _light(self, lamp: str) -> Iterator[str]:
        for entity, receptacle in self._belief.where(lamp):
            if entity in self._belief.lit:
                yield from self._go(receptacle)
            yield from self._at(receptacle, f"use {entity}")
        yield from self._search(lamp)

    def _treat(self, held: str, how: str) -> Iterator[str]:
        for appliance in _APPLIANCES[how]:
            for receptacle in self._belief.receptacles:
                if type_of(receptacle) == appliance:
                    yield from self._at(receptacle, f"{how} {held} with {receptacle}", open_first=False)

    def _deliver(self, held: str) -> Iterator[str]:
        chosen = self._target_of_two() if self.goal.count == 2 else None
        targets = [chosen] if chosen else sorted(self._targets(), key=lambda r: r not in self._belief.here)
        for receptacle in self._willing(held, targets):
            yield from self._at(receptacle, self._belief.put_command(held, receptacle))

    def _drop(self, held: str) -> Iterator[str]:
        """Put down a thing that is not wanted, near by if possible."""
        usual = self._priors.of(type_of(held))
        able = [r for r in self._belief.receptacles if usual.get(type_of(r), 0.0) > 0.0] or self._belief.receptacles
        near = sorted(able, key=lambda r: (r not in self._belief.here, r in self._belief.closed))
        for receptacle in self._willing(held, near):
            yield from self._at(receptacle, self._belief.put_command(held, receptacle))

    def _willing(self, held: str, receptacles: list[str]) -> list[str]:
        """The receptacles that have not refused such an object; all of them if each has refused one."""
        refused = self._belief.refused
        return [r for r in receptacles if (type_of(held), r) not in refused] or receptacles

    def _search(self, wanted: str) -> Iterator[str]:
        belief = self._belief
        unseen = [r for r in belief.receptacles if r not in belief.seen]
        if not unseen:
            belief.seen.clear()
            unseen = belief.receptacles
        worth = self._worth(wanted)
        if self._listed and belief.last:
            order = self._as_listed(unseen, worth)
        else:
            order = sorted(unseen, key=lambda r: -worth[r])
        for receptacle in order:
            yield from self._go(receptacle)
            if receptacle in belief.closed:
                yield f"open {receptacle}"
            yield f"examine {receptacle}"

    def _as_listed(self, unseen: list[str], worth: dict[str, float]) -> list[str]:
        everything = self._belief.receptacles
        at = everything.index(self._belief.last)
        least = _PLAUSIBLE * max(worth.values())
        onward = [r for r in everything[at:] + everything[:at] if r in unseen]
        return sorted(onward, key=lambda r: (not self._is_opening(r), worth[r] < least))

    def _worth(self, wanted: str) -> dict[str, float]:
        """Receptacle → how often such objects lie there, divided by the number of steps that looking takes."""
        usual = self._priors.of(wanted)
        return {r: usual.get(type_of(r), 0.0) / self._looking_cost(r) for r in self._belief.receptacles}

    def _looking_cost(self, receptacle: str) -> float:
        return _OPENING_COST if type_of(receptacle) in _CLOSABLE and not self._is_opening(receptacle) else 1.0

    def _is_opening(self, receptacle: str) -> bool:
        """Whether the agent is at the receptacle and has not opened it."""
        return receptacle in self._belief.here and receptacle in self._belief.closed

    def _at(self, receptacle: str, action: str, *, open_first: bool = True) -> Iterator[str]:
        """Go to a receptacle, open it if it is known to be closed, then do the action."""
        yield from self._go(receptacle)
        if open_first and receptacle in self._belief.closed:
            yield f"open {receptacle}"
        yield action

    def _go(self, receptacle: str) -> Iterator[str]:
        """Go to a receptacle. If the agent is already at it, going has no effect, and examining shows that it is
        there."""
        if receptacle not in self._belief.here:
            yield f"go to {receptacle}"
            yield f"examine {receptacle}"
