"""The commands `a3t adapters …`, which manage adapter versions through the trainer service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import Field

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.clients import TrainerClient
from a3t_contracts.errors import UnavailableError
from a3t_contracts.schemas.adapter import AdapterManifest, AdapterPush, LivePointer
from a3t_contracts.settings import CommonSettings
from a3t_contracts.stack import stack_url
from a3t_contracts.tables import print_table

__all__ = ["app"]

Result = TypeVar("Result")
Version = Annotated[str, typer.Argument(help="Name of an adapter version, e.g. demo-r02.")]

app = typer.Typer(
    help="List, show, verify, promote, roll back, remove and push adapter versions (LoRA weights that runs published).",
    no_args_is_help=True,
    add_completion=False,
)


class AdaptersSettings(CommonSettings):
    """Address and token of the trainer service: A3T_TRAINER_URL, A3T_TOKEN."""

    trainer_url: str | None = Field(None, description="Address of the trainer service; unset: that of `a3t up`")

    @property
    def service_url(self) -> str:
        """Return the configured address, else that of the running stack of this A3T_HOME, else port 8104 of this
        machine."""
        return self.trainer_url or stack_url(self.home, "trainer") or "http://127.0.0.1:8104"


@app.command("list")
def list_versions(as_json: JsonOption = False) -> None:
    """List the adapter versions, the oldest first. A star marks the live one, which serves requests that name no
    version."""

    async def work(trainer: TrainerClient) -> tuple[list[AdapterManifest], LivePointer]:
        return await trainer.adapters(), await trainer.live()

    manifests, live = _ask(work)
    if as_json:
        emit_json({"adapters": manifests, "live": live.version})
    else:
        _show_list(manifests, live)


@app.command()
def show(version: Version, as_json: JsonOption = False) -> None:
    """Show a version: its base model, objective, training data, metrics and files.

    Example: `a3t adapters show demo-r02`
    """
    manifest = _ask(lambda trainer: trainer.adapter(version))
    if as_json:
        emit_json(manifest)
        return
    fields = manifest.model_dump(mode="json", exclude={"version", "files"})
    rows = [[name, _text(value)] for name, value in fields.items()]
    rows += [[name, f"{file.size:,} bytes, sha256 {file.sha256}"] for name, file in manifest.files.items()]
    print_table(("field", "value"), rows, title=manifest.version)


@app.command()
def verify(version: Version, as_json: JsonOption = False) -> None:
    """Compare every file of a version with the hashes in its manifest. The exit code is 2 if one differs."""
    manifest = _ask(lambda trainer: trainer.verify(version))
    _tell({"version": version, "verified": True, "files": len(manifest.files)}, f"{version} is intact.", as_json)


@app.command()
def promote(version: Version, as_json: JsonOption = False) -> None:
    """Make a version live, so that it serves requests that name no version. Policy services follow within seconds.

    Example: `a3t adapters promote demo-r02`
    """
    live = _ask(lambda trainer: trainer.promote(version))
    _tell(live, f"{live.version} is live.", as_json)


@app.command()
def demote(as_json: JsonOption = False) -> None:
    """Make the base model live, so that requests that name no version use no adapter. `rollback` undoes it."""
    _tell(_ask(lambda trainer: trainer.demote()), "The base model is live.", as_json)


@app.command()
def rollback(as_json: JsonOption = False) -> None:
    """Make the version live that was live before the present one."""

    async def work(trainer: TrainerClient) -> LivePointer:
        return await trainer.rollback((await trainer.live()).version)

    live = _ask(work)
    _tell(live, f"{live.version} is live again.", as_json)


@app.command()
def gc(
    keep: Annotated[int, typer.Option(min=1, help="Number of newest versions of each run that are kept.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove old versions of each run, to free disk space. The live version, the one that was live before it, and the
    parents of kept versions are always kept.

    Example: `a3t adapters gc --keep 2 --dry-run`
    """
    report = _ask(lambda trainer: trainer.collect_garbage(keep, dry_run))
    verb = "Would remove" if dry_run else "Removed"
    names = ", ".join(report.removed) or "nothing"
    _tell(report, f"{verb} {names} ({report.freed_bytes / 1e6:.1f} MB).", as_json)


@app.command()
def push(
    version: Version,
    repository: Annotated[str, typer.Argument(help="Repository on the Hugging Face Hub, NAMESPACE/NAME.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make the repository public if it is created; default: private.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Push a version to the Hugging Face Hub. The trainer service does it, with the token in its variable HF_TOKEN.

    Example: `a3t adapters push demo-r02 my-name/demo`
    """
    request = AdapterPush(repository=repository, private=not public)
    result = _ask(lambda trainer: trainer.push(version, request))
    _tell(result, f"{version} is at {result.url}.", as_json)


def _ask(work: Callable[[TrainerClient], Awaitable[Result]]) -> Result:
    """Call the trainer service and return the result."""

    async def run() -> Result:
        settings = AdaptersSettings()
        async with TrainerClient(settings.service_url, settings.token.get_secret_value()) as trainer:
            return await work(trainer)

    try:
        return asyncio.run(run())
    except UnavailableError as error:
        hint = "`a3t up` starts the services; A3T_TRAINER_URL names another trainer."
        raise UnavailableError(error.detail, hint=hint) from error


def _tell(value: Any, sentence: str, as_json: bool) -> None:
    if as_json:
        emit_json(value)
    else:
        console.print(sentence, highlight=False)


def _show_list(manifests: list[AdapterManifest], live: LivePointer) -> None:
    if not manifests:
        console.print("There is no adapter version yet.")
        return
    rows = []
    for m in manifests:
        counts = f"{m.data.get('trained_trajectories', '?')} ({m.data.get('trained_failures', '?')})"
        loss = m.metrics.get("nll_success")
        star = "*" if m.version == live.version else ""
        objective, shown_loss = str(m.objective.get("name", "–")), "–" if loss is None else f"{loss:.3f}"
        rows.append([star, m.version, m.base_model, m.parent or "–", objective, counts, shown_loss, _age(m.created_at)])
    print_table(("", "version", "base", "parent", "objective", "trajectories (failures)", "loss", "age"), rows)


def _age(created: datetime) -> str:
    seconds = int((datetime.now(UTC) - created).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{k}: {v:.6g}" if isinstance(v, float) else f"{k}: {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else str(value)
