#!/usr/bin/env bash
# Builds a program of cargo's into the cache, unless this version is there.
#
#   NAS_CACHE=... scripts/tool.sh NAME VERSION [ARGUMENT]...     e.g. scripts/tool.sh cargo-deny 0.20.2
#
# `NAME ARGUMENT... --version` must answer "NAME VERSION" or "NAME vVERSION".
set -euo pipefail

name=$1 version=$2
tools=$NAS_CACHE/tools
if [ "$("$tools/bin/$name" "${@:3}" --version 2>/dev/null | sed 's/ v/ /')" != "$name $version" ]; then
  echo "$name $version is being built (once, some minutes)" >&2
  # A folder of its own: a program that nothing links with would only fill the target folder and hold up its lock.
  CARGO_TARGET_DIR=$tools/target cargo install --locked --root "$tools" --version "$version" "$name"
  rm -rf "$tools/target"
fi
