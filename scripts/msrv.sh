#!/usr/bin/env bash
# Checks that all crates build with the Rust that Cargo.toml promises (rust-version).
#
#   CARGO_TARGET_DIR=... scripts/msrv.sh     exit 3: that toolchain is not installed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(rustc --version | cut -d' ' -f2)
if [[ $found == "$wanted".* ]]; then
  echo "msrv: $wanted is what everything here was built with ($found)"
elif rustc "+$wanted" --version >/dev/null 2>&1; then
  cargo "+$wanted" check --release --workspace --locked
else
  echo "msrv: NOT RUN, because Rust $wanted is not installed (this is $found): rustup toolchain install $wanted" >&2
  exit 3
fi
