#!/usr/bin/env bash
# Installs the pinned torch into the environment given as $1. TORCH_BACKEND says which build:
#   auto   (default) CUDA where the machine has an NVIDIA driver, else the CPU build
#   cpu    the CPU build or nothing
#   cu130  (or another of uv's names) that CUDA build
# The CPU build comes from a folder of wheels that pip or uv is told of (find-links of any level of pip's configuration,
# PIP_FIND_LINKS, UV_FIND_LINKS), else from PyTorch's CPU index. The build on PyPI brings CUDA: it is the last resort.
set -euo pipefail
venv=${1:?usage: install_torch.sh VENV}
version=${TORCH_VERSION:-2.13.0}
backend=${TORCH_BACKEND:-auto}
say() { printf '%s\n' "$@" >&2; }

if "$venv/bin/python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '$version')" 2>/dev/null; then exit 0; fi
if [[ $backend == auto ]] && ! command -v nvidia-smi >/dev/null; then wanted=cpu; else wanted=$backend; fi

# Values of a setting of pip's, from its configuration files of every level and from the environment.
pip_values() {
  { python3 -m pip config list 2>/dev/null || true; } | sed -n "s/^[^=]*\.$1='\(.*\)'\$/\1/p" | sed 's/\\n/ /g' | tr '\n' ' '
}

read -ra links <<<"$(pip_values find-links) $(tr , " " <<<"${UV_FIND_LINKS:-}")"
read -ra indexes <<<"$(pip_values extra-index-url)"
options=()
for link in ${links[@]+"${links[@]}"}; do options+=(--find-links "$link"); done
for index in ${indexes[@]+"${indexes[@]}"}; do options+=(--extra-index-url "$index"); done
[[ -z ${indexes[*]-} ]] || options+=(--index-strategy unsafe-best-match)  # each index may lack what another one has
install() { uv --no-config pip install --compile-bytecode --python "$venv/bin/python" "$@"; }

# The version with which the CPU build is asked for outside PyTorch's index, e.g. 2.13.0+cpu: that of a wheel in a folder,
# or a try where pip is told of pages and indexes. Nothing where there is no place to look.
cpu_version() {
  python3 - "$version" ${links[@]+"${links[@]}"} ${indexes[@]+"${indexes[@]}"} <<'PY'
import pathlib, sys, zipfile
version, *places = sys.argv[1:]
folders = [path for path in (pathlib.Path(place.removeprefix("file://")) for place in places) if path.is_dir()]
for folder in folders:
    for path in sorted(folder.glob(f"torch-{version}[+-]*.whl")):
        with zipfile.ZipFile(path) as wheel:
            metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            if b"\nRequires-Dist: nvidia" not in wheel.read(metadata):
                print(path.name.split("-")[1])
                sys.exit()
if len(folders) < len(places):
    print(f"{version}+cpu")
PY
}

if [[ $wanted != cpu ]]; then
  install --torch-backend="$wanted" "torch==$version" && exit 0
  say "PyTorch's index cannot be used for the build '$wanted'; taking the build of the package index, which has CUDA."
  install ${options[@]+"${options[@]}"} "torch==$version"
  exit
fi

found=$(cpu_version)
if [[ -n $found ]] && install ${options[@]+"${options[@]}"} "torch==$found"; then exit 0; fi
if install --torch-backend=cpu "torch==$version"; then exit 0; fi
say "" "PyTorch's CPU index (https://download.pytorch.org/whl/cpu) cannot be used, and no CPU wheel of torch $version lies in" \
  "a place that pip or uv is told of (${links[*]:-no find-links are set})." \
  "To get one: PIP_FIND_LINKS=FOLDER, with torch-$version+cpu-….whl from that index in FOLDER, and the same command again."
if [[ $backend == cpu ]]; then
  say "Nothing is installed, because TORCH_BACKEND=cpu asks for that build alone."
  exit 1
fi
if [[ $(uname -s) == Linux ]]; then
  say "Going on with the build of the package index: for Linux it FETCHES SOME 3 GB OF CUDA LIBRARIES that this machine" \
    "does not use. Ctrl-C stops it; TORCH_BACKEND=cpu never does this."
fi
install ${options[@]+"${options[@]}"} "torch==$version"
