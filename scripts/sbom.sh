#!/usr/bin/env bash
# What every image installs, as CycloneDX 1.5 in sbom/SERVICE.cdx.json: the packages of uv.lock, torch, and the base image
# by its name. The packages inside the base image are its publisher's: `docker sbom` or syft read them from a built image.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-sbom}
mkdir -p "$out"
bom() { # SERVICE DOCKERFILE: the packages and extras that the Dockerfile installs
  local wanted
  wanted=$(grep -m 1 -o -- "--package a3t-$1.*" "$2")
  # shellcheck disable=SC2086
  uv export --quiet --frozen --no-dev --format cyclonedx1.5 $wanted --output-file "$out/$1.cdx.json" >/dev/null
  python3 scripts/complete_sbom.py "$out/$1.cdx.json" "$2"
}
for service in env policy actre trainer; do bom "$service" "services/$service/Dockerfile"; done
bom orchestrator orchestrator/Dockerfile
ls "$out"/*.cdx.json
