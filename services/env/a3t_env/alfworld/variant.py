"""Another goal in the world of a game: its task id, its task line, and its PDDL, as ALFRED's templates word them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from .native import Asked
from .native.problem import parse_expression

__all__ = ["LAMP_TASK", "TWO_TASK", "Variant", "split_id"]

PLACE_TASK, LAMP_TASK, TWO_TASK = "pick_and_place_simple", "look_at_obj_in_light", "pick_two_obj_and_place"

_TEMPLATES: Mapping[str, tuple[str, str]] = {
    PLACE_TASK: ("put a {obj} in {target}", "put some {obj} on {target}"),
    "pick_clean_then_place_in_recep": ("put a clean {obj} in {target}", "clean some {obj} and put it in {target}"),
    "pick_heat_then_place_in_recep": ("put a hot {obj} in {target}", "heat some {obj} and put it in {target}"),
    "pick_cool_then_place_in_recep": ("put a cool {obj} in {target}", "cool some {obj} and put it in {target}"),
    TWO_TASK: ("put two {obj} in {target}", "find two {obj} and put them in {target}"),
    LAMP_TASK: ("look at {obj} under the {target}", "examine the {obj} with the {target}"),
}
_PLACED = """(and (exists (?r - receptacle) (exists (?o - object) (and {first}(objecttype ?o {obj}type)
    (receptacletype ?r {target}type) {last}))))"""
_FIRST_AND_LAST: Mapping[str, tuple[str, str]] = {
    PLACE_TASK: ("(inreceptacle ?o ?r) ", ""),
    "pick_clean_then_place_in_recep": ("(cleanable ?o) ", "(isclean ?o) (inreceptacle ?o ?r)"),
    "pick_heat_then_place_in_recep": ("(heatable ?o) ", "(ishot ?o) (inreceptacle ?o ?r)"),
    "pick_cool_then_place_in_recep": ("(coolable ?o) ", "(iscool ?o) (inreceptacle ?o ?r)"),
}
_GOALS: Mapping[str, str] = {
    **{
        name: _PLACED.replace("{first}", first).replace("{last}", last)
        for name, (first, last) in _FIRST_AND_LAST.items()
    },
    TWO_TASK: """(and (exists (?r - receptacle) (exists (?o1 - object) (and (objecttype ?o1 {obj}type)
        (receptacletype ?r {target}type) (inreceptacle ?o1 ?r) (exists (?o2 - object) (and (not (= ?o1 ?o2))
        (objecttype ?o2 {obj}type) (receptacletype ?r {target}type) (inreceptacle ?o2 ?r)))))))""",
    LAMP_TASK: """(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and
        (objecttype ?ot {target}type) (toggleable ?ot) (istoggled ?ot) (receptacleatlocation ?r ?l)
        (atlocation ?a ?l) (inreceptacle ?ot ?r)))
        (exists (?o - object ?a - agent) (and (objecttype ?o {obj}type) (holds ?a ?o))))""",
}
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Variant:
    """A goal of one of the six types about an object type, with a receptacle type, or a lamp, as target: small letters,
    as in a task line."""

    type: str
    object: str
    target: str

    @property
    def instruction(self) -> str:
        """The task line without its beginning. Which of ALFRED's two templates words it depends on the goal alone."""
        number = zlib.crc32(f"{self.type}-{self.object}-{self.target}".encode()) % 2
        return _TEMPLATES[self.type][number].format(obj=self.object, target=self.target) + "."

    def id_in(self, game: str) -> str:
        """The task id of this goal in a game."""
        return f"{game}@{self.type}-{self.object}-{self.target}"

    def asked(self) -> Asked:
        """What a game asks for that has this goal."""
        goal = _GOALS[self.type].format(obj=self.object, target=self.target)
        return Asked(f"Your task is to: {self.instruction}", parse_expression(goal))


def split_id(task_id: str) -> tuple[str, Variant | None]:
    """The id of a game, and the other goal for which the task plays it; None where it plays it for its own."""
    game, found, goal = task_id.rpartition("@")
    parts = goal.split("-")
    if not found or len(parts) != 3 or parts[0] not in _GOALS or not all(map(_WORD.fullmatch, parts[1:])):
        return task_id, None
    return game, Variant(*parts)
