"""Reads the task lines of exercises in the household (see `..errands` and `..exercises`, which write them)."""

from __future__ import annotations

import re

from a3t_actre.environments.alfworld.view import HouseholdGoal, Shape, goal_of, task_line

__all__ = ["exercise_goal"]

_NAME = r"[a-z]+ \d+"
_THING = rf"(?P<obj>{_NAME}) from {_NAME}"
_PLACE = r"(?P<recep>[a-z]+(?: \d+)?)"
_TO = rf"(?:to|in|on|and put it in|and put it on) {_PLACE}"
_WITH = r"with (?P<tool>[a-z]+(?: \d+)?)"
_ERRANDS: tuple[Shape, ...] = (
    (re.compile(rf"(?:take|put) {_THING} {_TO}$"), "put"),
    (re.compile(rf"(?P<how>clean|heat|cool) {_THING}(?: {_WITH})?$"), None),
    (re.compile(rf"make {_THING} (?P<how>clean|hot|cool)$"), None),
    (re.compile(rf"(?P<how>clean|heat|cool) {_THING} {_WITH} and put it (?:in|on) {_PLACE}$"), None),
    (re.compile(rf"put a (?P<how>clean|hot|cool) {_THING} (?:in|on) {_PLACE} {_WITH}$"), None),
    (re.compile(rf"use (?P<obj>{_NAME}) at {_NAME}$"), "use"),
    (re.compile(rf"(?:take|look at) {_THING} (?:and use|under) (?P<lamp>{_NAME}) at {_NAME}$"), "light"),
    (re.compile(rf"(?:take|look at|examine the) {_THING} (?:and use|under|with) (?:a|the) (?P<lamp>[a-z]+)$"), "light"),
    (re.compile(rf"(?:take|put) two (?P<obj>[a-z]+) \d+ from {_NAME} and {_NAME} from {_NAME} {_TO}$"), "two"),
    (re.compile(rf"(?:take|put) two (?P<obj>[a-z]+) {_TO}, {_NAME} from {_NAME}$"), "two"),
)
_SEARCHES: tuple[Shape, ...] = ((re.compile(r"find (?:an? |some |the )?(?P<obj>\w+)$"), "find"),)
_TOLD = re.compile(rf"({_NAME}) (?:from|at) ({_NAME})")


def exercise_goal(observation: str) -> HouseholdGoal | None:
    """Read the goal of an exercise from its first observation; None if it has no goal, like a random walk.

    An errand says where its objects are ("take mug 2 from shelf 1 to desk 3", "look at pen 1 from desk 2 under a
    desklamp", "take two mug to desk, mug 2 from shelf 1"); a search ("find a mug") does not.
    """
    line = task_line(observation)
    told = tuple(_TOLD.findall(line))
    return goal_of(line, _ERRANDS if told else _SEARCHES, told)
