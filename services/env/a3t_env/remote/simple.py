"""The project's own protocol for environments behind HTTP: see docs/how-to/environment-http.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter
from typing_extensions import override

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo, Task
from a3t_contracts.schemas.base import Name

from ..plugins.results import Reply, read_reset, read_step
from .address import Address
from .backend import Backend
from .http import LIST_BYTES, RemoteHttp, checked, read
from .numbered import numbered_tasks, splits_of

__all__ = ["SimpleBackend"]

Action = Annotated[str, Field(max_length=4096)]


class _Said(BaseModel):
    """Ignores unknown keys, because another version of the protocol may send them."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Info(_Said):
    splits: dict[Name, Annotated[int, Field(ge=0, le=10_000_000)]] = Field(min_length=1)
    task_types: list[str] = Field(default_factory=lambda: ["task"])
    max_steps: Annotated[int, Field(ge=1, le=1000)] = 50
    about: str = ""
    example: str = ""
    multiline: bool = False
    success: str = ""
    success_reward: FiniteFloat = 1.0
    calls: list[str] = Field(default_factory=list)
    lists_actions: bool | None = None
    repeats: bool = False


class _Task(_Said):
    id: Annotated[str, Field(min_length=1, max_length=512)]
    split: Name
    type: str = "task"
    instruction: str | None = None


class _Tasks(_Said):
    tasks: list[_Task]


class _Start(_Said):
    id: Annotated[str, Field(min_length=1, max_length=512)]
    observation: Any = None
    actions: Any = None
    info: dict[str, Any] = Field(default_factory=dict)


class _Actions(_Said):
    actions: list[Action]


class _Action(_Said):
    action: Action


_INFO, _TASKS, _START = TypeAdapter(_Info), TypeAdapter(_Tasks), TypeAdapter(_Start)
_STEP = TypeAdapter(dict[str, Any])
_ACTIONS, _ACTION = TypeAdapter(_Actions), TypeAdapter(_Action)


class SimpleBackend(Backend):
    """A server of `docs/reference/environment-protocol.yaml`."""

    engine = "http"
    repeats = False
    draws = False

    def __init__(self, address: Address, max_bytes: int) -> None:
        if address.settings or address.splits:
            raise InvalidInputError(
                f"The URL of {address.name} has a query, which this protocol does not use.",
                hint="Its server gives its tasks and settings with `GET /info`.",
            )
        self._name = address.name
        self._http = RemoteHttp(address.name, address.url, max_bytes, address.headers)
        self._said = _Info(splits={"train": 0})

    def describe(self) -> EnvironmentInfo:
        """`GET /info`."""
        said = self._said = checked(_INFO, self._http.call("GET", "/info"), f"/info of {self._name}")
        self.repeats, self.draws = said.repeats, "sample" in said.calls
        lists = "actions" in said.calls if said.lists_actions is None else said.lists_actions
        return EnvironmentInfo(
            name=self._name,
            engines=[self.engine],
            splits=dict(said.splits),
            task_types=said.task_types,
            max_steps=said.max_steps,
            about=said.about,
            example=said.example,
            multiline=said.multiline,
            lists_actions=lists,
            samples="sample" in said.calls or lists,
            expert="expert" in said.calls,
            success=said.success or f"the episode ends with a reward of {said.success_reward:g} or more",
        )

    def tasks(self) -> Sequence[Task]:
        """Return the tasks of `GET /tasks`, or numbered tasks if the server does not have that call."""
        if "tasks" not in self._said.calls:
            return numbered_tasks(self._name, splits_of(self._said.splits), self._said.task_types[0])
        body = self._http.call("GET", "/tasks", max_bytes=LIST_BYTES)
        listed = checked(_TASKS, body, f"/tasks of {self._name}").tasks
        return [
            Task(id=task.id, environment=self._name, split=task.split, type=task.type, instruction=task.instruction)
            for task in listed
        ]

    def open(self, task: Task, seed: int, options: Mapping[str, str]) -> tuple[_Episode, Reply]:
        """`POST /episodes`."""
        where, body = f"The start of {self._name}", {"task": task.id, "seed": seed, "options": dict(options)}
        start = checked(_START, self._http.call("POST", "/episodes", body), where)
        episode = _Episode(self._http, self._name, start.id, self._said.success_reward)
        given = {"observation": start.observation, "actions": start.actions, "info": start.info}
        return episode, read(where, read_reset, given)

    @override
    def close(self) -> None:
        self._http.close()


class _Episode:
    def __init__(self, http: RemoteHttp, name: str, episode_id: str, success_reward: float) -> None:
        self._http, self._name, self._success_reward = http, name, success_reward
        self._path = f"/episodes/{quote(episode_id, safe='')}"

    def step(self, action: str, index: int) -> Reply:
        body = self._http.call("POST", f"{self._path}/step", {"action": action, "index": index})
        where = f"The step of {self._name}"
        return read(where, read_step, checked(_STEP, body, where), self._success_reward)

    def actions(self) -> list[str]:
        return checked(
            _ACTIONS, self._http.call("GET", f"{self._path}/actions"), f"The actions of {self._name}"
        ).actions

    def sample(self, seed: int) -> str:
        body = self._http.call("POST", f"{self._path}/sample", {"seed": seed})
        return checked(_ACTION, body, f"The sample of {self._name}").action

    def expert(self) -> str:
        return checked(_ACTION, self._http.call("GET", f"{self._path}/expert"), f"The expert of {self._name}").action

    def close(self) -> None:
        self._http.call("DELETE", self._path)
