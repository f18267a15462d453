"""`a3t up`, `a3t down`, `a3t status`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from redis.exceptions import RedisError
from rich.text import Text

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.errors import UnavailableError
from a3t_contracts.tables import Cell, print_table

from ..embedded import SERVICES, EmbeddedStack, StackState, read_state, stop_running_stack
from ..queue import queue_lengths
from ..settings import OrchestratorSettings
from .common import quiet_logs, run_async

__all__ = ["down_app", "status_app", "up_app"]

up_app, down_app, status_app = (
    typer.Typer(add_completion=False),
    typer.Typer(add_completion=False),
    typer.Typer(add_completion=False),
)

_UP_SECONDS = 240.0


@up_app.command()
def up(
    base_model: Annotated[
        str, typer.Option(help="Base model of the policy service: a folder, a hub id or a model that ships.")
    ] = "a3t/tiny",
    ports: Annotated[
        int | None, typer.Option(help="First of six consecutive TCP ports; default: any free ports.")
    ] = None,
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", "-d", help="Return once the services are ready, and keep them running in the background."
        ),
    ] = False,
) -> None:
    """Start a Redis-compatible server, all services, a worker and the dashboard on this machine. Ctrl-C stops them.

    Example: `a3t up --detach`
    """
    settings = OrchestratorSettings()
    if detach:
        _up_in_background(settings, base_model, ports)
        return
    quiet_logs(settings)
    stack = EmbeddedStack(settings, base_model, first_port=ports, note=console.print)
    run_async(_serve(stack))


@down_app.command()
def down() -> None:
    """Stop the services that `a3t up` or `a3t run` started in this A3T_HOME."""
    home = OrchestratorSettings().home.expanduser().resolve()
    console.print("Stopped." if stop_running_stack(home) else f"Nothing runs in {home}.")


@status_app.command()
def status(as_json: JsonOption = False) -> None:
    """Show the state of each service, the queue and the database. The exit code is 1 unless everything is ready."""
    settings = OrchestratorSettings()
    state = read_state(settings.home.expanduser().resolve())
    report = asyncio.run(_status(settings, state))
    if as_json:
        emit_json(report)
    else:
        _print_status(report)
    if not report["ready"]:
        raise SystemExit(1)


async def _serve(stack: EmbeddedStack) -> None:
    started = time.monotonic()
    try:
        with console.status("Starting the services …"):
            await stack.start()
        seconds = time.monotonic() - started
        console.print(f"Ready after {seconds:.1f} s. Dashboard: {stack.url('orchestrator')} · Ctrl-C stops everything.")
        for name in SERVICES:
            console.print(f"  {name:<8} {stack.url(name)}", highlight=False)
        await asyncio.Event().wait()
    finally:
        await stack.stop()


def _up_in_background(settings: OrchestratorSettings, base_model: str, ports: int | None) -> None:
    home = settings.home.expanduser().resolve()
    log = home / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "a3t_orchestrator.cli", "up", "--base-model", base_model]
    command += ["--ports", str(ports)] if ports is not None else []
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
    until = time.monotonic() + _UP_SECONDS
    while not ((state := read_state(home)) and state.ready and state.supervisor.pid == process.pid):
        if process.poll() is not None or time.monotonic() > until:
            raise UnavailableError(_last_words(log), hint=f"The log is {log}.")
        time.sleep(0.1)
    console.print(f"Running in the background: {state.urls['orchestrator']} · `a3t down` stops it.")


def _last_words(log: Path) -> str:
    text = " ".join(log.read_text(errors="replace").split())
    return text.removeprefix("Error:").strip()[-600:] or "The stack did not start."


async def _status(settings: OrchestratorSettings, state: StackState | None) -> dict[str, Any]:
    urls = dict(state.urls) if state else {k: v for k, v in settings.service_urls.items() if v}
    redis_url = state.redis_url if state else settings.redis_url
    services = dict(zip(urls, await asyncio.gather(*(_probe(url) for url in urls.values())), strict=True))
    for name, child in (state.children if state else {}).items():
        services.setdefault(name, {"ready": child.lives()}).update(pid=child.pid, restarts=child.restarts)
    queue = _queue(redis_url)
    ready = bool(services) and all(s["ready"] for s in services.values()) and "error" not in queue
    home = str(settings.home.expanduser().resolve())
    return {
        "ready": ready,
        "home": home,
        "services": services,
        "queue": queue,
        "base_model": state.base_model if state else None,
    }


async def _probe(url: str) -> dict[str, Any]:
    try:
        async with httpx.AsyncClient(timeout=5.0) as client:
            reply = await client.get(f"{url}/ready")
    except httpx.HTTPError as error:
        return {"url": url, "ready": False, "detail": f"{type(error).__name__}: {error}"}
    body = reply.json() if reply.headers.get("content-type", "").startswith("application/") else {}
    return {"url": url, "ready": reply.status_code == 200, "detail": body.get("detail", body.get("status", ""))}


def _queue(redis_url: str | None) -> dict[str, Any]:
    if not redis_url:
        return {"error": "not running"}
    try:
        return dict(queue_lengths(redis_url))
    except RedisError as error:
        return {"error": str(error)}


def _print_status(report: dict[str, Any]) -> None:
    if not report["services"]:
        console.print(f"Nothing runs in {report['home']}. Start it with `a3t up`.")
        return
    rows: list[list[Cell]] = []
    for name, service in report["services"].items():
        away = Text.assemble(("away", "red"), f" {service.get('detail', '')}")
        state = Text("ready", "green") if service["ready"] else away
        rows.append([name, state, service.get("url", ""), *(str(service.get(key, "")) for key in ("pid", "restarts"))])
    print_table(("service", "state", "address", "pid", "restarts"), rows, title=f"A³T in {report['home']}")
    console.print("Queue: " + ", ".join(f"{name} {count}" for name, count in report["queue"].items()))
