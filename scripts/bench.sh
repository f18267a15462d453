#!/usr/bin/env bash
# Every benchmark, one after the other: tables on the screen, JSON in bench/results/. Best on an otherwise idle machine.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bench/results
failed=()
for name in ${BENCHES:-alfworld_engine env_http policy trainer webshop}; do
  printf '\n\033[1m%s\033[0m\n' "$name"
  python -m "bench.$name" --json "bench/results/$name.json" || failed+=("$name")
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
