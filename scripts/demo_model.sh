#!/usr/bin/env bash
# The whole loop on a language model that is fetched: scripts/demo_model.sh smollm2. Made for two idle cores and an hour; how long it takes there has not been measured.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${1:?usage: demo_model.sh MODEL}
recipe=configs/guessing-game-$model.yaml
[ -f "$recipe" ] || { echo "There is no recipe $recipe; the models with a demo: $(ls configs/guessing-game-*.yaml | sed 's/.*game-//;s/.yaml//' | tr '\n' ' ')" >&2; exit 2; }
a3t models fetch "$model"
a3t models check "$model" --no-speed
export PYTHONPATH=$PWD/examples/guessing_game${PYTHONPATH:+:$PYTHONPATH} A3T_ENV_PLUGINS=guessing_game:GuessingGame
# Reasons by the same model wait for it behind the agent's own turns.
export A3T_ACTRE_TIMEOUT=${A3T_ACTRE_TIMEOUT:-300} A3T_ACTRE_DEADLINE=${A3T_ACTRE_DEADLINE:-600}
a3t demo --config "$recipe"
