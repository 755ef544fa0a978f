#!/usr/bin/env bash
# Fetches the web packages and builds the companion; does nothing when both are fresh.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

packages=web/node_modules/.everbond-installed
if ! fresh "$packages" web/package-lock.json web/package.json; then
    say "web: npm ci"
    (cd web && twice npm ci --no-audit --no-fund)
    touch "$packages"
fi

built=web/companion/dist/index.html
mapfile -t sources < <(find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*')
if ! fresh "$built" "${sources[@]}"; then
    say "web: npm run build"
    (cd web && npm run build)
    touch "$built"
fi
