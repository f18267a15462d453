#!/usr/bin/env bash
# Installs Chromium with the package manager where there is none; Playwright's own download is not used.
set -euo pipefail
for program in chromium chromium-browser google-chrome chrome; do
  command -v "$program" >/dev/null && exit 0
done
command -v apt-get >/dev/null || { echo "Install Chromium; the browser tests drive it." >&2; exit 1; }
sudo=$([ "$(id -u)" = 0 ] || command -v sudo || true)
echo "Installing Chromium"
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
