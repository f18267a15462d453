"""The trainer's training process on pipes, killed where a test says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, cast

from a3t_contracts.schemas import FineTuningJobCreate


class ProcessOnPipes:
    """`python -m a3t_trainer.training_process` on pipes: with `fork` for one job after the other, else for one."""

    def __init__(self, folder: Path, *, fork: bool = True) -> None:
        self.folder, self.fork = folder, fork
        command = [sys.executable, "-m", "a3t_trainer.training_process", *(["--fork"] if fork else [])]
        with (folder / "training.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def attempt(self, body: FineTuningJobCreate, kill_at: int | None) -> tuple[dict[str, Any], int, list[str]]:
        """Run the job, killing it with -9 once it has done `kill_at` steps: its last word, exit code and messages."""
        content = {
            "id": f"ftjob-{body.version}",
            "request": body.model_dump(mode="json"),
            "training_file": str(self.folder / "x.jsonl"),
            "folder": str(self.folder / f"work-{body.version}"),
            "registry": str(self.folder / "registry"),
            "trackers": [],
            "report_seconds": 0,
        }
        stdin, stdout = cast(IO[str], self.process.stdin), cast(IO[str], self.process.stdout)
        stdin.write(json.dumps(content) + "\n")
        stdin.flush()
        pid, outcome, messages = 0, {}, []
        for line in stdout:
            news = json.loads(line)
            pid = news.get("started", pid)
            if kill_at is not None and news.get("progress", {}).get("step", -1) >= kill_at:
                os.kill(pid, signal.SIGKILL)
                kill_at = None
            messages += [news["event"]["message"]] if "event" in news else []
            outcome = news if {"published", "failed"} & news.keys() else outcome
            if "exited" in news:
                return outcome, news["exited"], messages
        if not self.fork:
            return outcome, self.process.wait(), messages
        raise AssertionError((self.folder / "training.log").read_text()[-2000:])
