"""A whole system that stays up while a test does things to its parts: the embedded stack on PostgreSQL, with a gate on
every way between a program and what it calls, short timeouts, and a hold in every phase."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import psutil
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from a3t_orchestrator.embedded.process import Program
from a3t_orchestrator.embedded.stack import SERVICES, EmbeddedStack
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store

from .fault_gate import FaultGate
from .holding import Hold
from .postgres import find_binaries, serve_cluster, start_postgres

__all__ = ["CALLERS", "IDLE_SECONDS", "FaultStack", "running_stack"]

CALLERS = {
    "worker": ("env", "policy", "actre", "redis", "postgres"),
    "orchestrator": ("env", "policy", "actre", "trainer", "redis", "postgres"),
}
"""Program → what it calls."""
IDLE_SECONDS = 15
SHORT = {
    "A3T_LEASE_SECONDS": "4",
    "A3T_RUN_LEASE_SECONDS": "4",
    "A3T_ENV_IDLE_SECONDS": str(IDLE_SECONDS),
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}
Result = TypeVar("Result")


class FaultStack(EmbeddedStack):
    """The programs of the stack, and a PostgreSQL server beside them."""

    def __init__(self, folder: Path, base_model: Path) -> None:
        binaries = find_binaries()
        assert binaries is not None
        # Beside pytest's folder, which every start of pytest closes to the user that PostgreSQL runs as.
        self.binaries, self.database_folder = binaries, Path(tempfile.mkdtemp(prefix="a3t-postgres-"))
        self.server, self.postgres = start_postgres(binaries, self.database_folder)
        url = self.server.fresh_database().replace("postgresql://", "postgresql+psycopg://")
        settings = OrchestratorSettings(home=folder / "home", database_url=url)
        super().__init__(settings, str(base_model))
        self.hold = Hold(folder / "hold")
        targets = self.ports | {"postgres": self.server.port}
        self.gates = {(caller, part): FaultGate(targets[part]) for caller, parts in CALLERS.items() for part in parts}
        self.store = Store(url)

    def process(self, name: str) -> psutil.Process:
        """The process of a program now; that of the database is its server."""
        if name == "postgres":
            return psutil.Process(self.postgres.pid)
        until = time.monotonic() + 60
        while (pid := self._children[name].pid) is None:  # it is being started again
            assert time.monotonic() < until, name
            time.sleep(0.05)
        return psutil.Process(pid)

    def all_of(self, name: str) -> list[psutil.Process]:
        """The process and, of the database, those of its connections."""
        process = self.process(name)
        return [process, *process.children(recursive=True)] if name == "postgres" else [process]

    def gates_to(self, name: str) -> list[FaultGate]:
        """Every way to a part, or the one of `caller to part`."""
        caller, _, part = name.rpartition(" to ")
        return [gate for (c, p), gate in self.gates.items() if p == part and c == (caller or c)]

    def serve_database(self) -> None:
        """Start the database again, as the service manager of a machine does."""
        self.postgres.wait()
        self.postgres = serve_cluster(self.binaries, self.database_folder, self.server.port)

    def look(self, query: Callable[[Session], Result]) -> Result:
        """Ask the database; while it is away, wait for it."""
        until = time.monotonic() + 120
        while True:
            try:
                with self.store.session() as session:
                    return query(session)
            except DBAPIError:
                assert time.monotonic() < until
                time.sleep(0.1)

    def _service(self, name: str) -> Program:
        return self._disturbed(super()._service(name))

    def _worker(self, redis_url: str) -> Program:
        return self._disturbed(super()._worker(redis_url))

    def _disturbed(self, program: Program) -> Program:
        environment = program.environment | SHORT | self.hold.variables
        if program.name not in CALLERS:
            return replace(program, environment=environment)
        ports = {part: self.gates[program.name, part].port for part in CALLERS[program.name]}
        urls = {f"A3T_{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in SERVICES if name in ports}
        for name, part in (("A3T_REDIS_URL", "redis"), ("A3T_DATABASE_URL", "postgres")):
            url = make_url(environment[name]).set(port=ports[part])
            urls[name] = url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.support.disturbed", program.command[-1]]
        return replace(program, command=command, environment=environment | urls)


@contextmanager
def running_stack(folder: Path, base_model: Path) -> Iterator[FaultStack]:
    """Start it, in a thread that tends it until the block ends."""
    stack = FaultStack(folder, base_model)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(stack.start(), loop).result(300)
        yield stack
    finally:
        asyncio.run_coroutine_threadsafe(stack.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        stack.store.close()
        for gate in stack.gates.values():
            gate.close()
        stack.postgres.terminate()
        stack.postgres.wait(30)
        shutil.rmtree(stack.database_folder)
