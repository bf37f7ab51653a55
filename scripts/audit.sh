#!/usr/bin/env bash
# Checks licences, duplicates and sources of all dependencies against deny.toml with cargo-deny, and with cargo-machete that each crate uses
# those that it names. Both are built into the cache first.
#
#   NAS_CACHE=... scripts/audit.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deny=$(scripts/tool.sh cargo-deny)
cargo fetch --locked # cargo-deny reads the manifests of all platforms' dependencies
"$deny" --offline --workspace --all-features check bans licenses sources
"$(scripts/tool.sh cargo-machete)"
