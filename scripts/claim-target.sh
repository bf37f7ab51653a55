#!/usr/bin/env bash
# Makes the shared target folder this checkout's: what another checkout built of the workspace's own crates is removed.
#
#   CARGO_TARGET_DIR=... scripts/claim-target.sh
#
# One target folder serves all checkouts, so that libtorch's bindings are compiled once. But cargo knows a workspace's own crates by
# their place in the workspace and by file times, not by the checkout: without this it can run one checkout's program for another.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

here=$(pwd -P)
owner=$CARGO_TARGET_DIR/checkout
if [ "$(cat "$owner" 2>/dev/null)" = "$here" ]; then exit 0; fi
mkdir -p "$CARGO_TARGET_DIR"
if [ -d "$CARGO_TARGET_DIR/release" ]; then cargo clean --quiet --release --workspace; fi
echo "$here" >"$owner.tmp"
mv "$owner.tmp" "$owner"
