"""The description of a plug-in (`description.describe`) as the service uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo, Task

__all__ = ["ENGINE", "PluginSpec"]

ENGINE = "python"
_INFO = ("task_types", "max_steps", "about", "example", "multiline", "success", "get_data")


@dataclass(frozen=True, slots=True)
class PluginSpec:
    """The name, description, tasks and options of a plug-in.

    Args:
        name: name of the environment.
        target: `module:Class`.
        tasks: id → task as `task_for_reset` reads it.
        listed: id → task as the API shows it, in the plug-in's order.
        options: option → its values, the default first.
    """

    name: str
    target: str
    info: EnvironmentInfo
    tasks: Mapping[str, dict[str, Any]]
    listed: Mapping[str, Task]
    options: Mapping[str, list[str]]
    samples_itself: bool

    @classmethod
    def read(cls, name: str, target: str, description: Mapping[str, Any]) -> PluginSpec:
        """Build the spec from the description that the child process sent. Raises InvalidInputError for invalid
        values.
        """
        try:
            return cls._read(name, target, description)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            said = f"The description of the environment {name} ({target}) is invalid: {place}: {first['msg']}."
            raise InvalidInputError(said) from error

    @classmethod
    def _read(cls, name: str, target: str, description: Mapping[str, Any]) -> PluginSpec:
        tasks: list[dict[str, Any]] = description["tasks"]
        splits: dict[str, int] = {}
        for task in tasks:
            splits[task["split"]] = splits.get(task["split"], 0) + 1
        has = set(description["has"])
        lists_actions = "actions" in has or description["lists_actions"]
        values = {key: description[key] for key in _INFO}
        values["success"] = values["success"] or _success(description["success_reward"])
        info = EnvironmentInfo(
            name=name,
            engines=[ENGINE],
            splits=splits,
            lists_actions=lists_actions,
            samples="sample" in has or lists_actions,
            expert="expert" in has,
            **values,
        )
        return cls(
            name=name,
            target=target,
            info=info,
            tasks={task["id"]: task for task in tasks},
            listed={task["id"]: _task(name, task) for task in tasks},
            options=description["options"],
            samples_itself="sample" in has,
        )

    def options_of(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return every option of a session, with the default for each one that is not given. Raises
        InvalidInputError.
        """
        for option, value in given.items():
            if option not in self.options:
                known = ", ".join(self.options) or "none"
                raise InvalidInputError(f"{self.name} has no option {option[:80]!r}.", hint=f"Options: {known}.")
            if value not in self.options[option]:
                choices = ", ".join(self.options[option])
                raise InvalidInputError(
                    f"The option {option} of {self.name} cannot be {value[:80]!r}.", hint=f"One of: {choices}."
                )
        return {option: given.get(option, values[0]) for option, values in self.options.items()}


def _task(name: str, task: Mapping[str, Any]) -> Task:
    return Task(
        id=task["id"],
        environment=name,
        split=task["split"],
        type=task["type"],
        instruction=task.get("instruction"),
    )


def _success(least: float) -> str:
    return f"the environment says so, or else the episode ends with a reward of at least {least:g}"
