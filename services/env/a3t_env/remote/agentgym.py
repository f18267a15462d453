"""AgentGym's HTTP protocol: create, reset, step, available_actions, close.

Its servers name the same things differently: the id of an environment is `id` or `env_idx`, the number of a task
`data_idx`, `game`, `session_id`, `item_id` or `seed`. They ignore keys that they do not know, so every name is sent. A
server whose `reset` takes the task's number as `id` is recognised by its `env_idx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import TypeAdapter
from typing_extensions import override

from a3t_contracts.errors import A3TError, InvalidInputError, UpstreamError
from a3t_contracts.schemas import EnvironmentInfo, Task

from ..plugins.results import Reply, read_actions, read_reset, read_step
from .address import Address
from .backend import Backend
from .http import RemoteHttp, checked, read
from .lost import EpisodeLostError, FailedError
from .numbered import numbered_tasks
from .settings import described, read_settings

__all__ = ["AgentGymBackend"]

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
_UNKNOWN = ("not valid", "has been deleted", "not exist", "KeyError")
"""Words in the servers' replies that mean an unknown environment. The status of such replies is 200."""


class AgentGymBackend(Backend):
    """A server of AgentGym. Its tasks are numbered; `seed` and options of an episode are not passed on."""

    engine = "agentgym"
    repeats = False
    draws = False

    def __init__(self, address: Address, max_bytes: int) -> None:
        self._address, self._settings = address, read_settings(address)
        self._http = RemoteHttp(address.name, address.url, max_bytes, address.headers)
        self._lists = False

    def describe(self) -> EnvironmentInfo:
        """Describe the environment. An episode of the first task shows whether the server lists actions."""
        task = numbered_tasks(self._address.name, self._address.splits, "task")[0]
        episode, began = self.open(task, 0, {})
        self._lists = began.actions is not None or episode.has_actions()
        episode.close_if_it_can()
        return described(self._address, self._settings, self.engine, lists_actions=self._lists)

    @override
    def tasks(self) -> Sequence[Task]:
        return numbered_tasks(self._address.name, self._address.splits, "task")

    @override
    def open(self, task: Task, seed: int, options: Mapping[str, str]) -> tuple[_Episode, Reply]:
        if options:
            raise InvalidInputError(f"{self._address.name} takes no options: AgentGym's protocol has none.")
        number = task.metadata["number"]
        made = self._said("/create", {"id": number})
        episode = _Episode(self, _id_of(made, self._address.name))
        try:
            began = self._said("/reset", episode.reset_body(number))
            if _observation(began) is None:
                began = self._said(f"/observation?{episode.query}")
            given = {"observation": _observation(began), "actions": _actions(began)}
            return episode, read(f"The reset of {self._address.name}", read_reset, given)
        except A3TError:
            episode.close_if_it_can()
            raise

    @override
    def close(self) -> None:
        self._http.close()

    def _said(self, path: str, body: dict[str, Any] | None = None) -> Any:
        reply = self._http.call("GET" if body is None else "POST", path, body)
        said = checked(_ANY, reply, f"{path} of {self._address.name}")
        if isinstance(said, dict) and isinstance(error := said.get("error"), str):
            text = f"The server of {self._address.name} answered {path} with an error: {error[:300]}"
            raise EpisodeLostError(text) if any(word in error for word in _UNKNOWN) else UpstreamError(text)
        return said


class _Episode:
    def __init__(self, backend: AgentGymBackend, key: tuple[str, int | str]) -> None:
        self._backend, (self._key, self._id) = backend, key

    @property
    def query(self) -> str:
        return urlencode({"id": self._id, "env_idx": self._id})

    def reset_body(self, number: int) -> dict[str, Any]:
        """The number of the task under every name that AgentGym's servers use."""
        names = dict.fromkeys(("data_idx", "game", "session_id", "item_id", "seed", "id"), number)
        own = {"id": self._id} if self._key == "id" else {"env_idx": self._id}
        return names | own | {"world_type": "Text"}

    def step(self, action: str, index: int) -> Reply:
        said = self._stepped({"id": self._id, "env_idx": self._id, "action": action})
        where = f"The step of {self._backend._address.name}"
        if not isinstance(said, dict):
            raise UpstreamError(f"{where} is not a JSON object.")
        given = {
            "observation": _observation(said),
            "reward": said.get("reward"),
            "done": said.get("done"),
            "actions": _actions(said),
        }
        return read(where, read_step, given, self._backend._settings.success)

    def _stepped(self, body: dict[str, Any]) -> Any:
        """Send a step, and return the reply. If it fails, `observation` shows whether the server still knows the
        environment.
        """
        try:
            return self._backend._said("/step", body)
        except FailedError as error:
            try:
                self._backend._said(f"/observation?{self.query}")
            except FailedError:
                raise EpisodeLostError(error.detail) from error
            raise

    def actions(self) -> list[str]:
        said = self._backend._said(f"/available_actions?{self.query}")
        given = said.get("available_actions", said.get("clickables")) if isinstance(said, dict) else said
        return read(f"The actions of {self._backend._address.name}", read_actions, given)

    def has_actions(self) -> bool:
        try:
            self.actions()
        except UpstreamError:
            return False
        return True

    def sample(self, seed: int) -> str:
        raise UpstreamError("AgentGym's protocol draws no actions.")

    def expert(self) -> str:
        raise UpstreamError("AgentGym's protocol has no expert.")

    def close(self) -> None:
        """Close the environment. Servers without this call answer 404, which is not an error here."""
        self._backend._said("/close", {"id": self._id, "env_idx": self._id})

    def close_if_it_can(self) -> None:
        try:
            self.close()
        except UpstreamError:
            return


def _id_of(made: Any, name: str) -> tuple[str, int | str]:
    """The key and the id of an environment: `{"id": 3}`, `{"env_idx": 3}`, or the bare id, which means `env_idx`."""
    if isinstance(made, dict):
        for key in ("id", "env_idx"):
            if isinstance(found := made.get(key), int | str):
                return key, found
    elif isinstance(made, int | str):
        return "env_idx", made
    raise UpstreamError(f"/create of {name} gave no id.")


def _observation(said: Any) -> Any:
    """The observation in a reply: `observation` or `state`, the reply itself if it is a text, or the first of a
    list.
    """
    if isinstance(said, dict):
        return said.get("observation", said.get("state"))
    return said[0] if isinstance(said, list) and said else said


def _actions(said: Any) -> Any:
    return said.get("available_actions") if isinstance(said, dict) else None
