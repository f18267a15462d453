"""The command itself, from nothing to a model that loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from transformers import AutoModelForCausalLM

PROGRAM = [str(Path(sys.executable).with_name("a3t")), "pretrain"]
SMALL = ["--games", "16", "--exercises", "60", "--tokens", "12000", "--json"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, env=environ)


def test_one_url_alone_is_an_error(tmp_path: Path) -> None:
    done = run(str(tmp_path), "--env-url", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert "--env-url and --actre-url must be given together" in done.stderr


@pytest.mark.slow
def test_makes_a_model_and_the_same_one_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        done = run(str(folder), *SMALL)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["settings"]["exercises"] == 60
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    assert AutoModelForCausalLM.from_pretrained(first).num_parameters() > 1_000_000
    card = (first / "README.md").read_text()
    assert "--games 16 --exercises 60 --tokens 12000" in card


@pytest.mark.slow
def test_makes_a_base_for_the_shop(tmp_path: Path) -> None:
    options = ["--environment", "webshop", "--games", "600", "--exercises", "60", "--tokens", "12000", "--json"]
    done = run(str(tmp_path / "base"), *options)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["turns_right"]) >= {"search", "open", "choose", "buy", "back"}
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "base").num_parameters() > 1_000_000
    card = (tmp_path / "base" / "README.md").read_text()
    assert "--environment webshop --games 600 --exercises 60 --tokens 12000" in card


def test_its_services_end_with_it_however_it_ends(tmp_path: Path) -> None:
    program = (
        "import pathlib, psutil, signal, sys\n"
        "from a3t_pretrain.services import _Child\n"
        "with _Child('a3t_env', pathlib.Path(sys.argv[1])), _Child('a3t_actre', pathlib.Path(sys.argv[1])):\n"
        "    print(*(p.pid for p in psutil.Process().children()), flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        services = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(services) == 2
    _, alive = psutil.wait_procs(services, timeout=30)
    assert not alive
