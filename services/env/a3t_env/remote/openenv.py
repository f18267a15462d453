"""OpenEnv's client protocol over its WebSocket; one connection plays one episode.

Over HTTP, each `reset` and each `step` of OpenEnv makes a new environment, so HTTP is used only for descriptions.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import TypeAdapter
from typing_extensions import override
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, PayloadTooBig
from websockets.sync.client import ClientConnection, connect

from a3t_contracts.errors import InvalidInputError, OverloadedError, UpstreamError
from a3t_contracts.outbound import check_peer
from a3t_contracts.schemas import EnvironmentInfo, Task

from ..plugins.results import Reply, read_actions, read_reset, read_step
from .address import Address
from .backend import Backend
from .deadline import left
from .http import RemoteHttp, checked, read
from .lost import BusyError, EpisodeLostError, ReplyLostError
from .numbered import numbered_tasks
from .settings import RemoteSettings, described, read_settings

__all__ = ["OpenEnvBackend"]

_QUIET = logging.getLogger(f"{__name__}.socket")
"""The logger of the package websockets writes headers, and so the token, at the level DEBUG."""
_QUIET.setLevel(logging.INFO)
_SCHEMA = TypeAdapter(dict[str, Any])
_TEXTS = ("text", "message", "observation", "prompt", "content", "response", "output", "result")
"""Usual names of the field with the observation's text, if an observation has several texts."""
_LISTS = ("actions", "available_actions", "admissible_actions", "admissible_commands", "legal_actions")


class OpenEnvBackend(Backend):
    """A server of OpenEnv. `reset` gets the number of the task as `seed`, with `split` and `index` if it takes them."""

    engine = "openenv"
    repeats = False
    draws = False

    def __init__(self, address: Address, max_bytes: int) -> None:
        self._address, self._settings, self._max_bytes = address, read_settings(address), max_bytes
        self._http = RemoteHttp(address.name, address.url.replace("ws", "http", 1), max_bytes, address.headers)
        self._action = self._settings.action
        self._lists = False

    def describe(self) -> EnvironmentInfo:
        """Read the field of an action from `GET /schema`. An action must have exactly one required field for text."""
        where = f"/schema of {self._address.name}"
        schema = checked(_SCHEMA, self._http.call("GET", "/schema"), where)
        self._action = self._settings.action or _text_field(schema.get("action"), self._address.name)
        observation = schema.get("observation")
        fields = observation.get("properties", {}) if isinstance(observation, dict) else {}
        self._lists = any(name in fields for name in _LISTS)
        return described(self._address, self._settings, self.engine, lists_actions=self._lists)

    @override
    def tasks(self) -> Sequence[Task]:
        return numbered_tasks(self._address.name, self._address.splits, "task")

    @override
    def open(self, task: Task, seed: int, options: Mapping[str, str]) -> tuple[_Episode, Reply]:
        stack = ExitStack()
        episode = _Episode(stack, self._connected(stack), self._address.name, self._settings, self._action)
        numbers = {"seed": task.metadata["number"], "split": task.split, "index": task.metadata["index"]}
        try:
            return episode, episode.reset({**options, **numbers})
        except EpisodeLostError as error:
            stack.close()
            raise ReplyLostError(error.detail) from error
        except BaseException:
            stack.close()
            raise

    @override
    def close(self) -> None:
        self._http.close()

    def _connected(self, stack: ExitStack) -> ClientConnection:
        """Open the socket of an episode. Its address is checked before anything is sent; redirects are not followed."""
        where = f"The server of {self._address.name} ({self._address.url}/ws)"
        try:
            opening = connect(
                f"{self._address.url}/ws",
                sock=_reached(self._address.url, where),
                open_timeout=max(left(), 0.001),
                close_timeout=1.0,
                max_size=self._max_bytes,
                compression=None,
                proxy=None,
                additional_headers=self._address.headers,
                logger=_QUIET,
            )
            return stack.enter_context(opening)
        except (OSError, InvalidHandshake, InvalidMessage) as error:
            raise ReplyLostError(f"{where} cannot be connected: {error}") from error
        except ValueError as error:  # a redirect
            raise UpstreamError(
                f"{where} cannot be connected: {error}.", hint="Give the address that it redirects to."
            ) from error


def _reached(url: str, what: str) -> socket.socket:
    """Connect to the server of a URL. Raises if its address may not be called."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    opened = socket.create_connection((parts.hostname, port), timeout=max(left(), 0.001))
    try:
        check_peer(opened.getpeername(), what)
    except BaseException:
        opened.close()
        raise
    opened.settimeout(None)
    return opened


class _Episode:
    def __init__(
        self, stack: ExitStack, connection: ClientConnection, name: str, settings: RemoteSettings, action: str
    ) -> None:
        self._stack, self._socket = stack, connection
        self._name, self._settings, self._action = name, settings, action

    def reset(self, data: dict[str, Any]) -> Reply:
        given = self._given("reset", data)
        return read(f"The reset of {self._name}", read_reset, {k: given[k] for k in ("observation", "actions")})

    def step(self, action: str, index: int) -> Reply:
        given = self._given("step", {self._action: action})
        return read(f"The step of {self._name}", read_step, given, self._settings.success)

    def actions(self) -> list[str]:
        return read(f"The actions of {self._name}", read_actions, None)

    def sample(self, seed: int) -> str:
        raise UpstreamError("OpenEnv's protocol draws no actions.")

    def expert(self) -> str:
        raise UpstreamError("OpenEnv's protocol has no expert.")

    def close(self) -> None:
        with self._stack, suppress(ConnectionClosed):
            self._socket.send('{"type": "close"}')

    def _given(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send a message, and return the reply with the field names of this service."""
        said = self._exchange(kind, data)
        seen = said.get("observation")
        reward = said.get("reward")
        return {
            "observation": _text_of(seen, self._settings.observation),
            "reward": 0.0 if reward is None else reward,
            "done": said.get("done", False),
            "actions": next((seen[name] for name in _LISTS if seen.get(name) is not None), None)
            if isinstance(seen, dict)
            else None,
        }

    def _exchange(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        what = f"{self._name} at {kind}"
        try:
            # A server that is full closes the connection at once; its reason can still be read below.
            with suppress(ConnectionClosed):
                self._socket.send(orjson.dumps({"type": kind, "data": data}).decode())
            text = self._socket.recv(timeout=left(), decode=False)
        except TimeoutError as error:
            self._socket.close_socket()
            raise ReplyLostError(f"The server of {what} did not answer in time.") from error
        except ConnectionClosed as error:
            if isinstance(error.__cause__, PayloadTooBig) or (error.sent and error.sent.code == 1009):
                raise UpstreamError(f"The server of {what} answered with more than the allowed bytes.") from error
            raise EpisodeLostError(f"The server of {what} closed the connection: {error}") from error
        said = checked(_SCHEMA, bytes(text), f"The answer of {what}")
        inner = said.get("data")
        if not isinstance(inner, dict):
            raise UpstreamError(f"The answer of {what} has no data.")
        if said.get("type") != "observation":
            raise self._error(what, inner)
        return inner

    def _error(self, what: str, data: dict[str, Any]) -> Exception:
        text = f"The server of {what} answered with an error: {data.get('code')}: {str(data.get('message'))[:300]}"
        if data.get("code") == "CAPACITY_REACHED":
            return BusyError(OverloadedError(text, hint="Raise max_concurrent_envs of that server.", retry_after=5.0))
        return UpstreamError(text)


def _text_field(action: Any, name: str) -> str:
    """Return the field of an action that takes the agent's text. Raises InvalidInputError if that is ambiguous."""
    fields = action.get("properties", {}) if isinstance(action, dict) else {}
    texts = [key for key, kind in fields.items() if isinstance(kind, dict) and kind.get("type") == "string"]
    needed = [key for key in texts if key in action.get("required", [])] or texts
    if len(needed) == 1:
        return str(needed[0])
    raise InvalidInputError(
        f"An action of {name} has no single field for a text; it has: {', '.join(map(str, fields)) or 'none'}.",
        hint="Name the field in the URL: `?action=FIELD`.",
    )


def _text_of(seen: Any, field: str) -> Any:
    """Return an observation's text: the field of the settings, else the first usual name, else the only text, else
    all fields as JSON.
    """
    if not isinstance(seen, dict):
        return seen
    if field:
        return seen.get(field)
    texts = [key for key, value in seen.items() if isinstance(value, str)]
    named = [key for key in _TEXTS if key in texts] or (texts if len(texts) == 1 else [])
    if named:
        return seen[named[0]]
    shown = {k: v for k, v in seen.items() if k not in ("metadata", *_LISTS)}
    return orjson.dumps(shown).decode()
