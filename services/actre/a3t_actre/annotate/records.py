"""The two forms of a line that can be annotated: an action log, and a trajectory of this project."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import History, Turn, history_of
from a3t_contracts.schemas import Environment, Reason, ReasonBy, ReasonQuery, Step, Trajectory

from .quality import Quality, quality_of

__all__ = ["ActionLog", "LogDefaults", "LogStep", "Record", "parse_line"]

_ACTION = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"\S")]


class LogStep(BaseModel):
    """An action and the observation that followed. Further keys are copied to the output."""

    model_config = ConfigDict(extra="allow")

    action: _ACTION
    observation: str = ""
    thought: str | None = None
    reason_annotator: str | None = None
    quality: dict[str, Any] | None = None


class ActionLog(BaseModel):
    """One episode of an action log; `about` describes the environment. `id` and `about` are optional; further keys are
    copied to the output."""

    model_config = ConfigDict(extra="allow")

    id: str | None = Field(None, min_length=1)
    environment: Environment
    about: str = Field("", max_length=8192)
    observation: str
    steps: list[LogStep] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class LogDefaults:
    """Values for keys that action logs leave out."""

    environment: str | None = None
    about: str = ""


class Record:
    """One line that is being annotated: the steps without a reason, the history before each, and the finished line."""

    def __init__(self, line: int, id: str, content: ActionLog | Trajectory) -> None:
        self.line = line
        self.id = id
        self._content = content

    @property
    def is_named(self) -> bool:
        """Whether the line has an explicit id."""
        return self._content.id is not None

    @property
    def _steps(self) -> Sequence[LogStep | Step]:
        return self._content.steps

    @property
    def open_steps(self) -> list[int]:
        """Indices of the steps without a thought."""
        return [i for i, step in enumerate(self._steps) if not (step.thought or "").strip()]

    def forget_reasons(self) -> None:
        """Remove the thoughts that the line has."""
        for step in self._steps:
            step.thought = None

    def query(self, index: int) -> ReasonQuery:
        """The query for one step. It has everything before the step, with the reasons found so far."""
        about = self._content.about if isinstance(self._content, ActionLog) else ""
        return ReasonQuery(history=self._history(index), action=self._steps[index].action, about=about)

    def fill(self, index: int, reason: Reason) -> None:
        """Set the reason of a step."""
        step = self._steps[index]
        step.thought = reason.reason
        step.reason_annotator = f"{reason.annotator}:{reason.model}" if reason.model else reason.annotator
        if not isinstance(step, LogStep):
            step.reason_by, step.purpose = ReasonBy.actre, reason.purpose
            step.completion = step.completion_ids = step.logprobs = None

    def explained(self) -> Iterator[tuple[int, ReasonQuery, str, Quality]]:
        """Yield (index, query, reason, quality) for the steps that have a reason."""
        seen = [step.observation for step in self._steps]
        last = self._content.final_observation if isinstance(self._content, Trajectory) else ""
        actions = [step.action for step in self._steps]
        for index, step in enumerate(self._steps):
            if step.thought:
                query = self.query(index)
                # a step of an action log has the observation after its action, a step of a trajectory the one before it
                behind = index + 1 if isinstance(step, Step) else index
                future = [*seen[behind:], last, *actions[index + 1 :]]
                yield index, query, step.thought, quality_of(step.thought, step.action, query.history, future)

    def rate(self, index: int, quality: Quality) -> None:
        """Store the quality of a step's reason, in the step or in `metadata` of a trajectory."""
        step = self._steps[index]
        if isinstance(step, LogStep):
            step.quality = quality.told()
        elif isinstance(self._content, Trajectory):
            marks = dict(self._content.metadata.get("quality", {}))
            self._content.metadata["quality"] = marks | {str(index): quality.told()}

    def result(self) -> str:
        """The line to write, without the line end."""
        content = self._content
        if isinstance(content, Trajectory):
            return content.model_dump_json()
        return json.dumps({"id": self.id} | content.model_dump(mode="json", exclude_unset=True), ensure_ascii=False)

    def _history(self, steps: int) -> History:
        content = self._content
        if isinstance(content, Trajectory):
            return history_of(content, steps)
        turns = [Turn(thought=s.thought, action=s.action, observation=s.observation) for s in content.steps[:steps]]
        return History(environment=content.environment, observation=content.observation, turns=turns)


def parse_line(number: int, text: str, defaults: LogDefaults | None = None) -> Record:
    """Parse one line; `defaults` fill what an action log leaves out.

    Raises InvalidInputError, which says what is wrong and where.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"line {number}: not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidInputError(f"line {number}: a JSON object was expected, not {type(raw).__name__}")
    whole = {"run", "task_id"} <= raw.keys()
    identity = _fingerprint(raw)
    if not whole and defaults is not None:
        given = {"environment": defaults.environment, "about": defaults.about or None}
        raw = {name: value for name, value in given.items() if value is not None} | raw
    form: TypeAdapter[Any] = TypeAdapter(Trajectory if whole else ActionLog)
    try:
        content = form.validate_json(json.dumps(raw))
    except ValidationError as error:
        raise InvalidInputError(f"line {number}: {_first(error.errors())}") from error
    return Record(number, content.id or identity, content)


def _first(errors: Sequence[Any]) -> str:
    where = ".".join(str(part) for part in errors[0]["loc"])
    return f"{where}: {errors[0]['msg']}"


def _fingerprint(raw: dict[str, Any]) -> str:
    """24 hex digits that identify the content of a line without an id."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:24]
