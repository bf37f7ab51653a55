#!/usr/bin/env bash
# Builds a program of cargo's into the cache, unless it is there in the version that is pinned here, and prints its path.
#
#   NAS_CACHE=... scripts/tool.sh cargo-deny|cargo-fuzz|cargo-machete|cargo-mutants|cargo-sbom|mdbook
set -euo pipefail

name=$1
# What comes before `--version` for an answer that ends with VERSION or vVERSION.
verb=()
case $name in
cargo-deny) version=0.20.2 ;;
cargo-fuzz) version=0.13.2 ;;
cargo-machete) version=0.9.2 ;;
cargo-mutants) version=27.1.0 verb=(mutants) ;;
cargo-sbom) version=0.10.0 ;;
mdbook) version=0.5.4 ;;
*) echo "usage: scripts/tool.sh cargo-deny|cargo-fuzz|cargo-machete|cargo-mutants|cargo-sbom|mdbook" >&2; exit 64 ;;
esac
tools=$NAS_CACHE/tools
if [ "$("$tools/bin/$name" "${verb[@]}" --version 2>/dev/null | sed 's/.* //; s/^v//')" != "$version" ]; then
  echo "$name $version is being built (once, some minutes)" >&2
  # A folder of its own: a program that nothing links with would only fill the target folder and hold up its lock.
  CARGO_TARGET_DIR=$tools/target cargo install --locked --root "$tools" --version "$version" "$name" >&2
  rm -rf "$tools/target"
fi
echo "$tools/bin/$name"
