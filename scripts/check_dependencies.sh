#!/usr/bin/env bash
# Every package of the workspace declares what it imports, and imports what it declares.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=()
for project in $(find . -mindepth 2 -maxdepth 3 -name pyproject.toml -not -path './.*' | sort); do
  (cd "$(dirname "$project")" && deptry .) || failed+=("$project")
done
[ ${#failed[@]} -eq 0 ] || { echo "dependencies are not as declared in: ${failed[*]}" >&2; exit 1; }
