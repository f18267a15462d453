"""Sends a round to TensorBoard, W&B, MLflow or trackio.

Each tracker is opened under the run's name for one round and closed again, so that a run that continues in another
process also continues in its tracker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from .figures import RoundNote

__all__ = ["TRACKERS"]

_PROJECT = "a3t"
_TABLE = "episodes"


def _tensorboard(note: RoundNote) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(note.folder / "tensorboard" / note.run))
    try:
        values = [Summary.Value(tag=name, simple_value=value) for name, value in note.figures.items()]
        values.append(_text_value(_TABLE, _markdown(note)))
        values.append(_text_value("recipe", f"```\n{json.dumps(note.config, indent=2)}\n```"))
        writer.add_event(Event(wall_time=time.time(), step=note.round, summary=Summary(value=values)))
    finally:
        writer.close()


def _text_value(tag: str, text: str) -> Any:
    """Return a text in the form that TensorBoard's text plugin reads. TensorBoard's own function for this needs
    TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    return Summary.Value(tag=f"{tag}/text_summary", metadata=create_summary_metadata(tag, ""), tensor=tensor)


def _wandb(note: RoundNote) -> None:
    import wandb

    folder = note.folder / "wandb"
    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=_PROJECT,
        name=note.run,
        id=note.run,
        dir=str(folder),
        resume="allow",
        config=note.config,
        reinit="finish_previous",
    )
    try:
        table = wandb.Table(columns=list(note.samples[0]), data=[list(row.values()) for row in note.samples])
        run.log({**note.figures, _TABLE: table, "round": note.round}, step=note.round)
    finally:
        run.finish()


def _mlflow(note: RoundNote) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient()
    found = client.get_experiment_by_name(_PROJECT)
    experiment = found.experiment_id if found else client.create_experiment(_PROJECT)
    known = client.search_runs([experiment], f"tags.`a3t.run` = '{note.run}'", max_results=1)
    begun = known[0] if known else client.create_run(experiment, tags={"a3t.run": note.run}, run_name=note.run)
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, note.round) for name, value in note.figures.items()]
    params = [] if known else [Param(name, str(value)[:500]) for name, value in _flat(note.config).items()]
    client.log_batch(begun.info.run_id, metrics=metrics, params=params[:100])
    table = {"columns": list(note.samples[0]), "data": [list(row.values()) for row in note.samples]}
    client.log_dict(begun.info.run_id, table, f"{_TABLE}_round_{note.round}.json")
    client.set_terminated(begun.info.run_id)


def _trackio(note: RoundNote) -> None:
    import trackio

    run = trackio.init(project=_PROJECT, name=note.run, config=note.config, resume="allow", embed=False)
    try:
        import pandas

        run.log({**note.figures, _TABLE: trackio.Table(dataframe=pandas.DataFrame(note.samples))}, step=note.round)
    finally:
        run.finish()


TRACKERS: dict[str, Callable[[RoundNote], None]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "trackio": _trackio,
}
"""Function that sends a round, by name of the tracker."""


def _markdown(note: RoundNote) -> str:
    """Return the table of sample episodes in Markdown, for TensorBoard."""
    names = list(note.samples[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for row in note.samples:
        cells = [str(value).replace("|", "\\|").replace("\n", "<br>") for value in row.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
