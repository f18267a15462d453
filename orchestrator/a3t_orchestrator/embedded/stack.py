"""Starts, supervises and stops the processes of `a3t up`."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

import httpx
import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from a3t_contracts.errors import ConflictError, InvalidInputError

from ..settings import OrchestratorSettings
from ..store import Store
from .ports import choose_ports
from .process import Child, Program
from .redis_server import find_server, write_config
from .state import ProcessState, StackState, end_orphans, forget_state, read_state, refuse_second, write_state

__all__ = ["SERVICES", "EmbeddedStack", "is_own_stack", "stack_for"]

SERVICES = ("env", "policy", "actre", "trainer")
_STOP_SECONDS = 15.0
_NAMES = ["orchestrator", *SERVICES, "redis"]

Note = Callable[[str], None]


class EmbeddedStack:
    """Runs every process of the system as a child of this process.

    Args:
        settings: `home`, `token` and the log level are used.
        base_model: base model of the policy service.
        first_port: first of the ports, which must be free; None takes any free ports.
        dashboard: whether the orchestrator service, which drives runs and has the dashboard, is started as well.
        note: receives messages about the progress.
    """

    def __init__(
        self,
        settings: OrchestratorSettings,
        base_model: str,
        *,
        first_port: int | None = None,
        dashboard: bool = True,
        note: Note | None = None,
    ) -> None:
        self.home = settings.home.expanduser().resolve()
        self.ports = choose_ports(_NAMES, first_port)
        self.base_model = base_model
        self._dashboard = dashboard
        self._note = note or (lambda _: None)
        self._children: dict[str, Child] = {}
        self._keeper: asyncio.Task[None] | None = None
        names = [*SERVICES, *(["orchestrator"] if dashboard else [])]
        urls = {f"{name}_url": self.url(name) for name in names}
        self.settings = settings.model_copy(update={"home": self.home, **urls})

    def url(self, name: str) -> str:
        """Return the address of a service."""
        return f"http://127.0.0.1:{self.ports[name]}"

    async def start(self) -> None:
        """Start all processes and wait until they can take work. Raises an A3TError that names the one that failed."""
        refuse_second(self.home)
        await end_orphans(self.home)
        for folder in ("run", "logs", "data"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        self._save(ready=False)
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise
        self._save(ready=True)
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stop the children, first those that use others, and kill those that do not end."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        queue = self._children.pop("redis", None)
        await _stop_children(list(self._children.values()))
        await _stop_children([queue] if queue else [])
        self._children = {}
        forget_state(self.home)

    async def _start_all(self) -> None:
        config, redis_url = write_config(self.home / "run", self.ports["redis"])
        self.settings = self.settings.model_copy(update={"redis_url": redis_url})
        store = Store(self.settings.database)
        store.upgrade()
        store.close()
        programs = [self._redis(config, redis_url), *map(self._service, SERVICES), self._worker(redis_url)]
        if self._dashboard:
            programs.append(self._service("orchestrator"))
        for program in programs:
            self._children[program.name] = Child(program)
            self._children[program.name].start()
        self._save(ready=False)
        await asyncio.gather(*(child.wait_ready() for child in self._children.values()))

    async def _keep(self) -> None:
        """Restart children that have ended."""
        while True:
            await asyncio.sleep(0.25)
            for child in self._children.values():
                if child.tend():
                    self._note(f"{child.program.name} had died and was restarted")
                    self._save(ready=True)

    def _redis(self, config: Path, url: str) -> Program:
        async def ready() -> bool:
            client: Redis = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
            try:
                return bool(await client.ping())
            except (RedisError, OSError):
                return False
            finally:
                await client.aclose()

        return Program("redis", [find_server(), str(config)], {}, self._log("redis"), ready)

    def _service(self, name: str) -> Program:
        environment = self._environment() | {"A3T_PORT": str(self.ports[name]), "A3T_HOST": "127.0.0.1"}
        if name == "actre":
            environment |= self._prompted_base()
        command = [sys.executable, "-m", f"a3t_{name}"]
        probe = (
            "health" if name == "env" else "ready"
        )  # env is not "ready" without data, but it runs, and says so when it is asked for tasks
        return Program(name, command, environment, self._log(name), _http_ready(f"{self.url(name)}/{probe}"))

    def _worker(self, redis_url: str) -> Program:
        heartbeat = self.home / "run" / "worker.heartbeat"
        heartbeat.unlink(missing_ok=True)

        async def ready() -> bool:
            return heartbeat.exists()

        environment = self._environment() | {"A3T_WORKER_HEARTBEAT_FILE": str(heartbeat)}
        command = [sys.executable, "-m", "a3t_orchestrator.worker"]
        return Program("worker", command, environment, self._log("worker"), ready)

    def _environment(self) -> dict[str, str]:
        settings, threads = self.settings, str(self.settings.embedded_threads)
        urls = {f"A3T_{name.upper()}_URL": self.url(name) for name in SERVICES}
        return urls | {
            "A3T_HOME": str(self.home),
            "A3T_TOKEN": settings.token.get_secret_value(),
            "A3T_MODE": settings.mode,
            "A3T_LOG_LEVEL": settings.log_level,
            "A3T_REGISTRY": settings.registry_url,
            "A3T_REDIS_URL": settings.redis_url or "",
            "A3T_DATABASE_URL": settings.database,
            "A3T_POLICY_BASE_MODEL": self.base_model,
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads),
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }

    def _prompted_base(self) -> dict[str, str]:
        """Return variables that make ActRe's annotator `llm` use the base model of this stack, unless the environment
        names another server."""
        if "A3T_ACTRE_UPSTREAM_URL" in os.environ:
            return {}
        return {
            "A3T_ACTRE_UPSTREAM_URL": f"{self.url('policy')}/v1",
            "A3T_ACTRE_UPSTREAM_TOKEN": self.settings.token.get_secret_value(),
            "A3T_ACTRE_MODEL": self.base_model,
        }

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _save(self, ready: bool) -> None:
        own = ProcessState(pid=os.getpid(), created=psutil.Process().create_time())
        children = {
            name: ProcessState(pid=child.pid, created=child.created, port=self.ports.get(name), restarts=child.restarts)
            for name, child in self._children.items()
            if child.pid is not None and child.created is not None
        }
        urls = {name: self.url(name) for name in ("orchestrator", *SERVICES)}
        redis_url = self.settings.redis_url or ""
        state = StackState(
            supervisor=own, children=children, urls=urls, redis_url=redis_url, base_model=self.base_model, ready=ready
        )
        write_state(self.home, state)


@asynccontextmanager
async def stack_for(
    settings: OrchestratorSettings, base_model: str | None = None, note: Note | None = None
) -> AsyncIterator[OrchestratorSettings]:
    """Yield the settings with the addresses of running services: the configured ones, those of a running stack, or
    those of a stack that is started for the block.

    Raises:
        InvalidInputError: only some of the addresses are set.
        ConflictError: the running stack serves another base model.
    """
    missing = settings.missing_addresses
    if missing:
        raise InvalidInputError(f"{', '.join(missing)} not set.", hint="Set every A3T_*_URL, or none of them.")
    if settings.is_external:
        yield settings
        return
    running = read_state(settings.home.expanduser().resolve())
    if running is not None and running.supervisor.pid != os.getpid():
        yield _joined(settings, running, base_model)
        return
    stack = EmbeddedStack(settings, base_model or "a3t/tiny", note=note)
    try:
        await stack.start()
        yield stack.settings
    finally:
        await stack.stop()


def is_own_stack(settings: OrchestratorSettings) -> bool:
    """Return whether the services of these settings are children of this process and end with it."""
    running = read_state(settings.home.expanduser().resolve())
    return running is not None and running.supervisor.pid == os.getpid()


def _joined(settings: OrchestratorSettings, running: StackState, base_model: str | None) -> OrchestratorSettings:
    if not running.ready:
        raise ConflictError(
            "The stack in this A3T_HOME is still starting.",
            hint="Try again once `a3t status` shows that everything is ready.",
        )
    if base_model is not None and running.base_model != base_model:
        raise ConflictError(
            f"The running stack serves the base model {running.base_model}, but this command needs {base_model}.",
            hint="Stop it with `a3t down`, or use another A3T_HOME.",
        )
    urls = {f"{name}_url": url for name, url in running.urls.items() if name in (*SERVICES, "orchestrator")}
    home = settings.home.expanduser().resolve()
    return settings.model_copy(update={**urls, "redis_url": running.redis_url, "home": home})


@cache
def _tls() -> ssl.SSLContext:
    """Return a shared TLS context. httpx would make a new one for every client, which takes longer than the call
    itself."""
    return httpx.create_ssl_context()


def _http_ready(url: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            async with httpx.AsyncClient(timeout=5.0, verify=_tls()) as client:
                return (await client.get(url)).status_code == 200
        except httpx.HTTPError:
            return False

    return ready


async def _stop_children(children: list[Child]) -> None:
    for child in children:
        child.stop()
    until = time.monotonic() + _STOP_SECONDS
    while any(child.pid is not None for child in children) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    for child in children:
        child.kill()
        if child.process is not None:
            child.process.wait()
