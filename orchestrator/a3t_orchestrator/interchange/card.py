"""Writes the dataset card of an exported folder: `README.md` in the form that the Hugging Face Hub reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

from a3t_contracts import __version__

from ..store import Run, Store, environment_of, get_run, rounds_of
from .columns import Column

if TYPE_CHECKING:
    from .export import ExportOrder

__all__ = ["dataset_card"]

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_METHOD = """An agent of the ReAct form (thought, action, observation) plays every training task once. Tasks that
it failed are explored: at some steps a random action replaces the agent's own, and ActRe, a second model, writes the
reason for that action. Explored episodes that succeed become training data, in contrast to the agent's own failure at
the same task. The agent that is trained on them plays the next round."""
_KINDS = {
    "demonstration": "played by a scripted expert, or imported; reasons by ActRe",
    "policy": "the agent's own trials",
    "composed": "explorations of failed tasks",
    "hindsight": "failed explorations that solved another task, up to that step and as its episodes; reasons by ActRe",
    "evaluation": "trials of held-out tasks; not to be trained on",
}


def dataset_card(store: Store, order: ExportOrder, state: dict[str, Any]) -> str:
    """Return the card of an export; `state` has the numbers of its rows and episodes."""
    with store.session() as session:
        run = get_run(session, order.run)
        versions = {row.round: row.version for row in rounds_of(session, order.run) if row.version}
        about = environment_of(run).about
        facts = "\n".join(_facts(run, order, versions))
    head = yaml.safe_dump(_front_matter(order, state.get("rows", 0)), sort_keys=False, allow_unicode=True)
    return f"""---
{head}---

# Episodes of the run `{order.run}`

{state.get("rows", 0)} rows in the format `{order.format}`: {order.kind.title}.

{_counts(state)}
## How they were made

{_METHOD}

{facts}

{f"About the environment: {' '.join(about.split())}" if about else ""}

## Columns

{chr(10).join(_columns(order.kind.columns_with(order.options)))}

## Licence

The texts of the environment and its tasks are under the licence of the environment; what the agent wrote is under the
licence of its base model. Set `license` above to what holds for both before you publish this dataset.
"""


def _front_matter(order: ExportOrder, rows: int) -> dict[str, Any]:
    """Return the head of the card. It has no `configs`: without them `datasets` finds `data/train-*` itself and notices
    by the files' times that a folder was written again. With `configs` its cache would return the old rows."""
    size = next((name for most, name in _SIZES if rows < most), "1M<n<10M")
    return {
        "pretty_name": f"A³T episodes of {order.run}",
        "license": "other",
        "task_categories": ["text-generation"],
        "tags": ["agent", "react", "trajectories", "a3t", order.format],
        "size_categories": [size],
    }


def _counts(state: dict[str, Any]) -> str:
    """Return a table of rounds and kinds; empty for formats whose rows are not single episodes."""
    cells: dict[tuple[str, str], dict[str, int]] = {}
    for key, number in state.get("counts", {}).items():
        played, kind, outcome = key.split("/")
        cells.setdefault((played, kind), {})[outcome] = number
    rows = [
        f"| {played} | {kind} | {by.get('success', 0)} | {by.get('failure', 0)} | {_KINDS.get(kind, '')} |"
        for (played, kind), by in sorted(cells.items())
        if kind
    ]
    if not rows:
        return ""
    return "\n".join(["| round | kind | successes | failures | what it is |", "|---|---|---|---|---|", *rows]) + "\n"


def _facts(run: Run, order: ExportOrder, versions: dict[int, str]) -> Iterator[str]:
    recipe = run.recipe
    yield f"- environment: `{run.environment}`"
    yield f"- base model: `{recipe.get('base_model', 'unknown')}`"
    yield f"- recipe: `{recipe.get('name', '')}`, seed {run.seed}"
    yield f"- A³T {__version__}" + (f", commit `{run.commit}`" if run.commit else "")
    for number, version in sorted(versions.items()):
        yield f"- agent of round {number}: adapter version `{version}`"
    chosen = ", ".join(f"{name} = {value}" for name, value in order.selection.described().items())
    yield f"- chosen by: {chosen}"


def _columns(columns: dict[str, Column], prefix: str = "") -> Iterator[str]:
    for name, column in columns.items():
        yield f"- `{prefix}{name}`: {_kind(column)}"


def _kind(column: Column) -> str:
    if isinstance(column, list):
        return f"list of {_kind(column[0])}"
    if isinstance(column, dict):
        return "object of " + ", ".join(f"`{name}`" for name in column)
    return "JSON text" if column == "json" else column
