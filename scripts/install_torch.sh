#!/usr/bin/env bash
# Installs the pinned torch into the environment given as $1: from the machine's own folder of wheels where pip is
# configured with one, else the build that fits the machine (CPU without an NVIDIA driver, CUDA with one).
set -euo pipefail
venv=${1:?usage: install_torch.sh VENV}
version=${TORCH_VERSION:-2.13.0}
if "$venv/bin/python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '$version')" 2>/dev/null; then exit 0; fi
links=${UV_FIND_LINKS:-$(python3 -m pip config get global.find-links 2>/dev/null || true)}
if compgen -G "${links:-/nonexistent}/torch-$version*.whl" >/dev/null && ! command -v nvidia-smi >/dev/null && [[ ${TORCH_BACKEND:-auto} != cu* ]]; then
  exec uv --no-config pip install --compile-bytecode --python "$venv/bin/python" --find-links "$links" "torch==$version"
fi
uv --no-config pip install --compile-bytecode --python "$venv/bin/python" --torch-backend="${TORCH_BACKEND:-auto}" "torch==$version" ||
  exec uv --no-config pip install --compile-bytecode --python "$venv/bin/python" "torch==$version"
