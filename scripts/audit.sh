#!/usr/bin/env bash
# Checks licences, duplicates and sources of all dependencies against deny.toml with cargo-deny, which is built into the cache first.
#
#   NAS_CACHE=... scripts/audit.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.20.2
tools=$NAS_CACHE/tools
if [ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
  echo "audit: building cargo-deny $version (once, some minutes)" >&2
  # A folder of its own: a program that nothing links with would only fill the target folder and hold up its lock.
  CARGO_TARGET_DIR=$tools/target cargo install --locked --root "$tools" --version "$version" cargo-deny
  rm -rf "$tools/target"
fi
cargo fetch --locked # cargo-deny reads the manifests of all platforms' dependencies
"$tools/bin/cargo-deny" --offline --workspace --all-features check bans licenses sources
