"""The contenders of the policy's benchmark. A contender is a context manager that yields `write`, which takes a
prompt's ids and a number of tokens, and generates that number greedily, also after an end-of-text token.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, ContinuousBatchingConfig, GenerationConfig

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.schemas.policy import Sampling
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation
from a3t_policy.settings import PolicySettings
from a3t_policy.text import TextCodec

__all__ = ["CONTENDERS", "PEERS", "Model", "Write"]

Write = Callable[[list[int], int], Awaitable[int]]
"""Prompt ids and tokens to write; the number of tokens that were written."""

_CONTEXT = 4096
_BLOCKS, _BATCH_TOKENS = 512, 1024
"""Settings of transformers' continuous batching: pages of 256 tokens, room for the episodes of 64 clients (it
refuses to start with more than fits into memory), and its default number of tokens per step on a CPU.
"""
_START_SECONDS = 120.0
_VLLM = Path(__file__).parents[1] / ".venv-vllm" / "bin" / "python"
_VLLM_START_SECONDS = 600.0
"""It compiles when it starts."""


@dataclass(frozen=True, slots=True)
class Model:
    """What every contender computes with."""

    name: str
    threads: int
    quantisation: str = "none"

    @property
    def folder(self) -> str:
        return resolve_base_model(self.name)


@asynccontextmanager
async def ours(model: Model) -> AsyncIterator[Write]:
    """The policy service's engine, in this process."""
    with tempfile.TemporaryDirectory() as home:
        settings = PolicySettings(
            home=Path(home),
            policy_base_model=model.name,
            policy_threads=model.threads,
            policy_max_context=_CONTEXT,
            policy_quantisation=model.quantisation,
        )
        backend = LocalBackend(settings)
        await backend.start()

        async def write(prompt: list[int], tokens: int) -> int:
            ask = Generation(prompt, "", Sampling(max_tokens=tokens), ignore_eos=True)
            return (await backend.generate(ask)).completion_tokens

        try:
            yield write
        finally:
            await backend.close()


@asynccontextmanager
async def generate(model: Model) -> AsyncIterator[Write]:
    """`model.generate`, one prompt after the other."""
    loaded = _load(model)

    async def write(prompt: list[int], tokens: int) -> int:
        with torch.inference_mode():
            reply = loaded.generate(torch.tensor([prompt], device=loaded.device), generation_config=_greedy(tokens))
        return int(reply.shape[1]) - len(prompt)

    yield write


@asynccontextmanager
async def generate_batched(model: Model) -> AsyncIterator[Write]:
    """`model.generate` on all prompts that are there, padded; every client waits for the longest."""
    loaded = _load(model)
    waiting: list[tuple[list[int], int, asyncio.Future[int]]] = []

    def together() -> None:
        batch, waiting[:] = list(waiting), []
        width = max(len(prompt) for prompt, _, _ in batch)
        padded = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt, _, _ in batch], device=loaded.device)
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt, _, _ in batch])
        mask = mask.to(loaded.device)
        most = max(tokens for _, tokens, _ in batch)
        with torch.inference_mode():
            loaded.generate(padded, attention_mask=mask, generation_config=_greedy(most))
        for _, tokens, future in batch:
            future.set_result(tokens)

    async def write(prompt: list[int], tokens: int) -> int:
        loop = asyncio.get_running_loop()
        if not waiting:
            loop.call_soon(together)
        waiting.append((prompt, tokens, future := loop.create_future()))
        return await future

    yield write


@asynccontextmanager
async def continuous(model: Model) -> AsyncIterator[Write]:
    """transformers' continuous batching manager, in this process."""
    loaded = _load(model)
    batching = ContinuousBatchingConfig()  # on a GPU it sizes its cache itself
    if loaded.device.type == "cpu":
        batching = ContinuousBatchingConfig(num_blocks=_BLOCKS, max_batch_tokens=_BATCH_TOKENS)
    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(
            loaded.continuous_batching_context_manager(
                generation_config=_greedy(1), continuous_batching_config=batching
            )
        )
        loop = asyncio.get_running_loop()

        async def write(prompt: list[int], tokens: int) -> int:
            future: asyncio.Future[int] = loop.create_future()

            def received(output: Any) -> None:
                if output.is_finished() and not future.done():
                    future.set_result(len(output.generated_tokens))

            name = manager.add_request(prompt, max_new_tokens=tokens)
            manager.register_result_handler(name, received)
            return await asyncio.wait_for(future, 600)

        yield write


@asynccontextmanager
async def ours_http(model: Model) -> AsyncIterator[Write]:
    """`python -m a3t_policy` as a process of its own, asked at /v1/completions. A3T_POLICY_ENGINE_PROCESSES divides the
    threads among as many engines."""
    port, processes = _free_port(), max(1, int(os.environ.get("A3T_POLICY_ENGINE_PROCESSES", "1")))
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "A3T_HOME": home,
            "A3T_PORT": str(port),
            "A3T_HOST": "127.0.0.1",
            "A3T_TOKEN": DEVELOPMENT_TOKEN,
            "A3T_POLICY_BASE_MODEL": model.folder,
            "A3T_POLICY_THREADS": str(max(1, model.threads // processes)),
            "A3T_POLICY_ENGINE_PROCESSES": str(processes),
            "A3T_POLICY_MAX_CONTEXT": str(_CONTEXT),
            "A3T_LOG_LEVEL": "WARNING",
            "A3T_POLICY_QUANTISATION": model.quantisation,
        }
        async with _server([sys.executable, "-m", "a3t_policy"], environment, model, port, "/ready") as http:

            async def write(prompt: list[int], tokens: int) -> int:
                body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
                return await _completion(http, body)

            yield write


@asynccontextmanager
async def serve(model: Model) -> AsyncIterator[Write]:
    """`transformers serve --continuous-batching` as a process of its own, asked at /v1/completions."""
    port, codec = _free_port(), TextCodec.load(model.folder)
    command = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        model.folder,
        "--continuous-batching",
        "--attn-implementation",
        "sdpa",
        "--device",
        _device(),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--cb-num-blocks",
        str(_BLOCKS),
        "--cb-max-batch-tokens",
        str(_BATCH_TOKENS),
        "--log-level",
        "error",
    ]
    async with _server(command, {}, model, port, "/health") as http:

        async def write(prompt: list[int], tokens: int) -> int:
            text = codec.raw.decode(prompt, skip_special_tokens=True)
            greedy = {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
            body = {"model": model.folder, "prompt": text, "max_tokens": tokens}
            return await _completion(http, body | {"generation_config": json.dumps(greedy)})

        yield write


@asynccontextmanager
async def vllm(model: Model) -> AsyncIterator[Write]:
    """vLLM in the environment of scripts/setup_vllm.sh, asked at /v1/completions, with room for adapters."""
    if not _VLLM.exists():
        raise RuntimeError("scripts/setup_vllm.sh makes the environment of vLLM")
    port = _free_port()
    command = [str(_VLLM), "-m", "vllm.entrypoints.openai.api_server", "--model", model.folder, "--port", str(port)]
    command += ["--max-model-len", "2048", "--max-num-seqs", "64", "--enable-lora", "--max-lora-rank", "16"]
    command += ["--dtype", "bfloat16" if _device() == "cuda" else "float32"]
    environment = {
        "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "PATH": f"{_VLLM.parent}:{os.environ['PATH']}",
    }
    async with _server(command, environment, model, port, "/health", _VLLM_START_SECONDS) as http:

        async def write(prompt: list[int], tokens: int) -> int:
            body = {"model": model.folder, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
            return await _completion(http, body)

        yield write


@asynccontextmanager
async def _server(
    command: Sequence[str],
    environment: dict[str, str],
    model: Model,
    port: int,
    path: str,
    patience: float = _START_SECONDS,
) -> AsyncIterator[httpx.AsyncClient]:
    """A server process and a client of it, from the moment that `path` answers, `patience` seconds at most."""
    threads = str(model.threads)
    settings = os.environ | environment | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    process = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"},
            timeout=600,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=2),  # servers close after 5 s
        )
        async with client as http:
            await _answers(http, path, process, patience)
            yield http
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answers(http: httpx.AsyncClient, path: str, process: subprocess.Popen[bytes], patience: float) -> None:
    async with asyncio.timeout(patience):
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(path)).is_success:
                    return
            await asyncio.sleep(0.2)
    raise RuntimeError(f"{process.args} ended with {process.returncode}")


async def _completion(http: httpx.AsyncClient, body: dict[str, Any]) -> int:
    reply = await http.post("/v1/completions", json=body)
    if not reply.is_success:
        raise RuntimeError(f"{reply.status_code}: {reply.text[:500]}")
    return int(reply.json()["usage"]["completion_tokens"])


def _load(model: Model) -> Any:
    """As the service loads it: on the GPU where there is one, then in bfloat16."""
    dtype = torch.bfloat16 if _device() == "cuda" else torch.float32
    options: dict[str, Any] = {"dtype": dtype, "device_map": {"": _device()}, "attn_implementation": "sdpa"}
    if model.quantisation == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    return AutoModelForCausalLM.from_pretrained(model.folder, **options).eval()


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _greedy(tokens: int) -> GenerationConfig:
    return GenerationConfig(
        max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=0, eos_token_id=None
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


CONTENDERS: dict[str, Callable[[Model], contextlib.AbstractAsyncContextManager[Write]]] = {
    "ours": ours,
    "generate": generate,
    "generate_batched": generate_batched,
    "continuous": continuous,
    "ours_http": ours_http,
    "serve": serve,
    "vllm": vllm,
}
PEERS = {
    "generate": "ours",
    "generate_batched": "ours",
    "continuous": "ours",
    "serve": "ours_http",
    "vllm": "ours_http",
}
"""Which of our contenders is compared with which peers: in this process, or over HTTP."""
