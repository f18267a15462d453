"""The training process: `python -m a3t_trainer.training_process [--fork | JOB.json]`.

It reads a job as one line of JSON from stdin, or from a file (under accelerate, which starts several processes). It
writes JSON lines to stdout: `started`, `event`, `progress`, then `published` or `failed`. torch is imported before a
job arrives.

With `--fork`, the process forks a child for each job, so that modules are imported only once, and reports the child's
end as `exited`. This works only without a GPU, because CUDA does not survive a fork. When stdin is closed, the service
has ended, and the process ends, too; the next service resumes the job from its last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import select
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TextIO

from a3t_contracts.collector import freeze_loaded
from a3t_contracts.logging import configure_logging, get_logger
from a3t_contracts.program import program_parser
from a3t_contracts.schemas import FineTuningJobCreate, Progress

from .faults import problem_of

__all__ = ["LineReporter", "main"]

_ALWAYS_NEEDED = (
    "peft.utils.transformers_weight_conversion",
    "torch.utils.tensorboard",
    "transformers.models.mistral.modeling_mistral",
)
log = get_logger(__name__)


class LineReporter:
    """Writes events and progress as JSON lines."""

    def __init__(self, out: TextIO, *, quiet: bool = False) -> None:
        self.out, self.quiet = out, quiet

    def send(self, kind: str, content: Any) -> None:
        """Write one line `{kind: content}`, unless the reporter is quiet."""
        if not self.quiet:
            self.out.write(json.dumps({kind: content}) + "\n")
            self.out.flush()

    def message(self, text: str, level: Literal["info", "warn", "error"] = "info", **data: Any) -> None:
        """Write an event of the job in words; `data` has further values for programs."""
        self.send("event", {"level": level, "message": text, "data": data or None})

    def progress(self, progress: Progress) -> None:
        """Write the job's progress."""
        self.send("progress", progress.model_dump(mode="json"))


def main() -> int:
    """Read a job and run it; with `--fork`, run several jobs, one after the other. Exit code 0: published, 1:
    failed.
    """
    arguments = _arguments()
    news = LineReporter(_own_stdout(), quiet=int(os.environ.get("RANK", "0")) > 0)
    configure_logging("trainer-process", json=True)
    run = import_module("a3t_trainer.training.run")
    if arguments.fork:
        return _serve(run, news)
    line = arguments.job.read_text() if arguments.job else sys.stdin.readline()
    return _work(run, json.loads(line), news, watched=[0]) if line.strip() else 0


def _arguments() -> argparse.Namespace:
    parser = program_parser(
        "python -m a3t_trainer.training_process",
        "Trains a fine-tuning job and publishes its adapter version. The trainer service starts it and sends the "
        "job as a line of JSON on standard input; reports go to standard output as JSON lines.",
        notes="The job's JSON has the keys id, request, training_file, folder, registry, trackers, report_seconds.",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--fork", action="store_true", help="keep running, and run each job in a forked child process")
    either.add_argument(
        "job", nargs="?", type=Path, metavar="JOB.json", help="JSON file with the job; default: one line on stdin"
    )
    return parser.parse_args()


def _serve(run: Any, news: LineReporter) -> int:
    """Fork a child for every job, one at a time. Objects that were loaded before are excluded from garbage
    collection.
    """
    for name in _ALWAYS_NEEDED:
        import_module(name)
    freeze_loaded()
    while line := sys.stdin.readline():
        alive, ours = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            return _work(run, json.loads(line), news, watched=[0, alive])
        os.close(alive)
        _, status = os.waitpid(child, 0)
        os.close(ours)
        news.send("exited", os.waitstatus_to_exitcode(status))
    return 0


def _work(run: Any, content: dict[str, Any], news: LineReporter, watched: list[int]) -> int:
    """Run a job as long as its parent processes live. Each of them has the other end of a descriptor in `watched`."""
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()
    news.send("started", os.getpid())
    with _held(Path(content["folder"]) / f"lock-{os.environ.get('RANK', '0')}"):
        return _run(run, content, news)


def _run(run: Any, content: dict[str, Any], reporter: LineReporter) -> int:
    try:
        spec = run.JobSpec(
            id=content["id"],
            request=FineTuningJobCreate.model_validate(content["request"]),
            training_file=Path(content["training_file"]),
            folder=Path(content["folder"]),
            registry=content["registry"],
            trackers=tuple(content["trackers"]),
            report_seconds=content["report_seconds"],
        )
        manifest = run.run_job(spec, reporter)
    except Exception as error:
        reporter.send("failed", problem_of(error).model_dump(exclude_none=True))
        log.exception("job.failed", job=content.get("id"))
        return 1
    reporter.send("published", manifest.model_dump(mode="json"))
    return 0


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Lock the job's folder, because the child of a killed service may live a moment longer than the service."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _own_stdout() -> TextIO:
    """Reserve stdout for the JSON lines of this process. What libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _end_with(watched: list[int]) -> None:
    """End this process as soon as the other end of one of these descriptors is closed."""
    select.select(watched, [], [])
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
