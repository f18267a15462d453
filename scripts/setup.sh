#!/usr/bin/env bash
# Makes .venv with everything of uv.lock and the torch build that fits the machine. Safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/.."
uv_version=0.13.9
say() { printf '\033[1m%s\033[0m\n' "$*"; }

python=$(command -v python3 || true)
[ -n "$python" ] || { echo "Python 3.11 to 3.13 is needed: install python3 (Debian: apt-get install python3 python3-venv)." >&2; exit 1; }
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
  { echo "Python 3.11 to 3.13 is needed; $python is $("$python" --version)." >&2; exit 1; }

if [ ! -x .venv/bin/python ]; then
  say "Making the virtual environment"
  "$python" -m venv .venv || { rm -rf .venv; echo "python3 -m venv failed (Debian: apt-get install python3-venv)." >&2; exit 1; }
fi
[ -x .venv/bin/uv ] && [ "$(.venv/bin/uv --version | cut -d' ' -f2)" = "$uv_version" ] ||
  .venv/bin/python -m pip install --quiet "uv==$uv_version"
export PATH="$PWD/.venv/bin:$PATH"

say "Installing the packages of uv.lock"
uv sync --frozen --inexact --quiet --all-groups --compile-bytecode
say "Installing torch"
scripts/install_torch.sh .venv
touch .venv/.setup-done
say "Ready: .venv/bin/a3t --help"
