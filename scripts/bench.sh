#!/usr/bin/env bash
# Every benchmark, one after the other: tables on the screen, JSON in bench/results/. Best on an otherwise idle machine.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bench/results
failed=()
short() { [ "$1" != dashboard ] || echo --rows 20000 --times 20; } # 100,000 rows take a quarter of an hour
for name in ${BENCHES:-alfworld_engine dashboard env_http policy trainer webshop}; do
  printf '\n\033[1m%s\033[0m\n' "$name"
  # shellcheck disable=SC2046
  python -m "bench.$name" --json "bench/results/$name.json" $(short "$name") || failed+=("$name")
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
