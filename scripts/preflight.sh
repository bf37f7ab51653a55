#!/usr/bin/env bash
# Says for each tool that is missing, in one line, what it is for and how to get it; fails if one is.
#
#   scripts/preflight.sh
#
# LIBTORCH: the libtorch that will be linked with. What only its set-up needs is asked for only while it is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing=0
lack() { echo "preflight: $*" >&2; missing=1; }
have() { command -v "$1" >/dev/null; }
need() { have "$1" || lack "$1 is missing ($2): $3"; }

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! have cargo; then
  lack "cargo is missing (builds everything): install Rust $wanted or newer from https://rustup.rs, then open a new shell"
else
  found=$(cargo --version | cut -d' ' -f2)
  if [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -1)" != "$wanted" ]; then
    lack "cargo $found is too old: Rust $wanted or newer is needed, run 'rustup update stable'"
  fi
  cargo fmt --version >/dev/null 2>&1 || lack "rustfmt is missing (checks the format): run 'rustup component add rustfmt'"
  cargo clippy --version >/dev/null 2>&1 || lack "clippy is missing (lints): run 'rustup component add clippy'"
fi
need cc "links Rust programs" "sudo apt-get install gcc"

if [ "$(uname -sm)" != "Linux x86_64" ] && [ -z "${LIBTORCH:-}" ]; then
  lack "this is $(uname -sm), and the trainer's libtorch is set up on x86-64 Linux only. On macOS and Arm everything but the trainer" \
    "builds and tests: 'cargo test --release'. To try the trainer (not tested there), set LIBTORCH to a libtorch 2.13.0 of your own"
else
  need c++ "compiles the bindings to libtorch" "sudo apt-get install g++"
  if [ ! -e "${LIBTORCH:-}/lib" ]; then
    need sha256sum "checks what is fetched" "sudo apt-get install coreutils"
    need flock "keeps two set-ups apart" "sudo apt-get install util-linux"
    need strip "makes libtorch smaller" "sudo apt-get install binutils"
    need gcc "links a part of libtorch" "sudo apt-get install gcc"
    if ! have python3; then
      lack "python3 is missing (fetches libtorch from PyPI): sudo apt-get install python3 python3-pip"
    elif ! python3 -m pip --version >/dev/null 2>&1; then
      lack "pip is missing (fetches libtorch from PyPI): sudo apt-get install python3-pip"
    fi
  fi
fi
exit $missing
