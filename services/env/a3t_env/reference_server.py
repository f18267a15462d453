"""Serves a Python environment over HTTP: the reference server of docs/reference/environment-protocol.yaml.

`Host` implements the protocol without HTTP, `environment_app` its routes. A server in another language needs both.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from .plugins.description import Kind, describe, task_for_reset
from .plugins.results import Reply, read_action, read_actions, read_reset, read_step
from .plugins.target import says_unplayable

if TYPE_CHECKING:
    from starlette.applications import Starlette

log = logging.getLogger(__name__)

__all__ = ["Host", "RefusedError", "environment_app", "serve"]


def serve(make_env: Kind, *, host: str = "127.0.0.1", port: int = 8200, max_episodes: int = 1024) -> None:
    """Serve an environment over HTTP until SIGINT or SIGTERM, for `A3T_ENV_REMOTES="NAME=http://HOST:PORT"`.

    Args:
        make_env: a class, or a function without arguments that returns an environment; called once for each episode.
        host: address to listen on.
        port: TCP port to listen on.
        max_episodes: most open episodes; if there are more, the least recently used one is closed.

    Raises BadResultError if `make_env` does not return an environment.
    """
    import uvicorn

    uvicorn.run(environment_app(make_env, max_episodes=max_episodes), host=host, port=port, log_level="warning")


class RefusedError(Exception):
    """A refused request, with the HTTP status of the reply."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Start(BaseModel):
    """Body of `POST /episodes`."""

    task: str
    seed: int = 0
    options: dict[str, str] = {}


class Step(BaseModel):
    """Body of `POST /episodes/{id}/step`."""

    action: str
    index: int


class Sample(BaseModel):
    """Body of `POST /episodes/{id}/sample`."""

    seed: int = 0


@dataclass(slots=True)
class _Running:
    env: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    steps: int = 0
    last: tuple[str, dict[str, Any]] = ("", {})


class Host:
    """The episodes of one environment. Thread-safe."""

    def __init__(self, make_env: Kind, max_episodes: int = 1024) -> None:
        self._make_env, self._max_episodes = make_env, max_episodes
        self._about = describe(make_env)
        self._tasks = {task["id"]: task for task in self._about["tasks"]}
        self._running: OrderedDict[str, _Running] = OrderedDict()
        self._lock = threading.Lock()

    def info(self) -> dict[str, Any]:
        """Answer `GET /info`."""
        told = ("task_types", "max_steps", "about", "example", "multiline", "success", "success_reward", "options")
        splits = dict.fromkeys((task["split"] for task in self._tasks.values()), 0)
        for task in self._tasks.values():
            splits[task["split"]] += 1
        return {
            **{name: self._about[name] for name in told},
            "splits": splits,
            "calls": ["tasks", *self._about["has"]],
            "lists_actions": self._about["lists_actions"] or "actions" in self._about["has"],
            "repeats": True,
        }

    def tasks(self) -> dict[str, Any]:
        """Answer `GET /tasks`."""
        told = ("id", "split", "type", "instruction")
        return {"tasks": [{k: task[k] for k in told if k in task} for task in self._tasks.values()]}

    def start(self, asked: Start) -> dict[str, Any]:
        """Answer `POST /episodes`."""
        if asked.task not in self._tasks:
            raise RefusedError(404, f"There is no task {asked.task!r}.")
        known = self._about["options"]
        for option, value in asked.options.items():
            if value not in known.get(option, ()):
                raise RefusedError(422, f"There is no option {option}={value}; known: {known}.")
        env, task = self._make_env(), task_for_reset(self._tasks[asked.task])
        began = env.reset(task, asked.seed, asked.options) if asked.options else env.reset(task, asked.seed)
        reply, name = _as_json(read_reset(began)), secrets.token_hex(8)
        with self._lock:
            self._running[name] = _Running(env)
            unused = self._running.popitem(last=False)[1] if len(self._running) > self._max_episodes else None
        if unused is not None:
            _close(unused)
        return {"id": name, "observation": reply["observation"], "actions": reply["actions"]}

    def step(self, name: str, asked: Step) -> dict[str, Any]:
        """Answer `POST /episodes/{id}/step`. Repeating the last step gives the same reply."""
        episode = self._episode(name)
        with episode.lock:
            if asked.index == episode.steps - 1 and asked.action == episode.last[0]:
                return episode.last[1]
            if asked.index != episode.steps:
                raise RefusedError(409, f"The next step has index {episode.steps}, not {asked.index}.")
            reply = _as_json(read_step(episode.env.step(asked.action), self._about["success_reward"]))
            episode.steps, episode.last = episode.steps + 1, (asked.action, reply)
            return reply

    def ask(self, name: str, call: str, *arguments: object) -> Any:
        """Answer `GET …/actions`, `GET …/expert` and `POST …/sample`."""
        episode = self._episode(name)
        if call not in self._about["has"]:
            raise RefusedError(405, f"This environment has no call {call!r}.")
        with episode.lock:
            given = getattr(episode.env, call)(*arguments)
        return {"actions": read_actions(given)} if call == "actions" else {"action": read_action(given)}

    def close(self, name: str) -> None:
        """Answer `DELETE /episodes/{id}`. Closing a closed episode is not an error."""
        with self._lock:
            episode = self._running.pop(name, None)
        if episode is not None:
            _close(episode)

    def _episode(self, name: str) -> _Running:
        with self._lock:
            if name not in self._running:
                raise RefusedError(404, f"There is no episode {name!r}.")
            self._running.move_to_end(name)
            return self._running[name]


def environment_app(make_env: Kind, *, max_episodes: int = 1024) -> Starlette:
    """The ASGI app that `serve` runs."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    host = Host(make_env, max_episodes)

    def route(path: str, method: str, run: Callable[[str, bytes], Any], status: int = 200) -> Route:
        async def answer(request: Request) -> Response:
            try:
                reply = await run_in_threadpool(run, request.path_params.get("id", ""), await request.body())
            except RefusedError as error:
                return JSONResponse({"detail": str(error)}, error.status)
            except ValidationError as error:
                return JSONResponse({"detail": str(error)}, 422)
            except Exception as error:
                if says_unplayable(error):
                    return JSONResponse({"detail": str(error), "unplayable": True}, 422)
                log.exception("The environment failed at %s %s", method, request.url.path)
                return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 500)
            return Response(status_code=204) if reply is None else JSONResponse(reply, status)

        return Route(path, answer, methods=[method])

    one = "/episodes/{id}"
    return Starlette(
        routes=[
            route("/info", "GET", lambda _, __: host.info()),
            route("/tasks", "GET", lambda _, __: host.tasks()),
            route("/episodes", "POST", lambda _, body: host.start(Start.model_validate_json(body)), 201),
            route(f"{one}/step", "POST", lambda name, body: host.step(name, Step.model_validate_json(body))),
            route(f"{one}/actions", "GET", lambda name, _: host.ask(name, "actions")),
            route(f"{one}/expert", "GET", lambda name, _: host.ask(name, "expert")),
            route(
                f"{one}/sample",
                "POST",
                lambda name, body: host.ask(name, "sample", Sample.model_validate_json(body).seed),
            ),
            route(one, "DELETE", lambda name, _: host.close(name)),
        ]
    )


def _as_json(reply: Reply) -> dict[str, Any]:
    outcome = reply.outcome
    return {
        "observation": outcome.observation,
        "reward": outcome.reward,
        "done": outcome.done,
        "success": outcome.success,
        "valid": outcome.valid,
        "actions": reply.actions,
        "info": outcome.info,
    }


def _close(episode: _Running) -> None:
    close = getattr(episode.env, "close", None)
    if callable(close):
        with episode.lock:
            close()
