"""A real vLLM on the CPU, in the environment that scripts/setup_vllm.sh makes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx

from .live_server import free_port

__all__ = ["VLLM_PYTHON", "VLLMServer"]

VLLM_PYTHON = Path(__file__).parents[2] / ".venv-vllm" / "bin" / "python"
_SLOTS = 4
"""Adapters in a batch, at most. The tests load two at a time, so the last slot stays empty: on a CPU, vLLM 0.32
computes a request for the base with the adapter of the last slot where requests for adapters are in the same batch."""
_START_SECONDS = 600.0
"""It takes 60 to 100 s on two cores that others use, too; one that ended is noticed at once."""


class VLLMServer:
    """A process that can be killed and started again on the same port.

    Args:
        base: folder of the model, served under its path.
        log: file that gets what vLLM says.
        max_rank: largest rank of an adapter.
    """

    def __init__(self, base: Path, log: Path, max_rank: int = 16) -> None:
        self.base, self.log, self.max_rank = base, log, max_rank
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return at once; `wait` waits until it listens."""
        command = [str(VLLM_PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(self.base)]
        command += ["--port", str(self.port), "--dtype", "float32", "--enforce-eager", "--max-model-len", "512"]
        command += ["--max-num-seqs", "8", "--max-num-batched-tokens", "512"]
        command += ["--enable-lora", "--max-loras", str(_SLOTS), "--max-lora-rank", str(self.max_rank)]
        environment = os.environ | {
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "2",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            "PATH": f"{VLLM_PYTHON.parent}:{os.environ['PATH']}",
        }
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def wait(self) -> None:
        """Wait until it listens. Raises RuntimeError with its last words where it ended instead."""
        assert self._process is not None
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        raise RuntimeError(f"vLLM did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def models(self) -> dict[str, str]:
        """What it lists, each with its folder."""
        listed = httpx.get(f"{self.url}/v1/models", timeout=60).json()["data"]
        return {entry["id"]: entry["root"] for entry in listed}

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
