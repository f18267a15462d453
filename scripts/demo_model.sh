#!/usr/bin/env bash
# The whole loop on a language model that is fetched first: scripts/demo_model.sh smollm2. It runs the recipe
# configs/textworld-MODEL.yaml; docs/how-to/language-model.md says how long that takes.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${1:?usage: demo_model.sh MODEL}
recipe=configs/textworld-$model.yaml
[ -f "$recipe" ] || { echo "There is no recipe $recipe. Models with a demo: $(ls configs/textworld-*.yaml | sed 's/.*textworld-//;s/.yaml//' | grep -v tiny | tr '\n' ' ')" >&2; exit 2; }
a3t models fetch "$model"
a3t models check "$model" --no-speed
export A3T_ENV_TEXTWORLD_PROCESSES=${A3T_ENV_TEXTWORLD_PROCESSES:-8} # as many as the recipe's limits.concurrency
# One engine for each core: with 8 sequences on two cores it writes more than one engine of two threads does.
export A3T_POLICY_ENGINE_PROCESSES=${A3T_POLICY_ENGINE_PROCESSES:-0}
# Reasons by the same model wait for it behind the agent's own turns.
export A3T_ACTRE_TIMEOUT=${A3T_ACTRE_TIMEOUT:-300} A3T_ACTRE_DEADLINE=${A3T_ACTRE_DEADLINE:-600}
a3t demo --config "$recipe"
