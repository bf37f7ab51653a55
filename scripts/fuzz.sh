#!/usr/bin/env bash
# Gives each parser of what others write millions of inputs, found by what of its code they reach: with libFuzzer, by cargo-fuzz, which is built
# into the cache first. Fails where an input breaks what its target in fuzz/targets/ says must hold, takes 25 seconds, or 2 GiB.
#
#   NAS_CACHE=... scripts/fuzz.sh [SECONDS [TARGET]...]     e.g. scripts/fuzz.sh 60 report data
#
# What was found to reach something, in $NAS_CACHE/fuzz/corpus, is where the next run begins, and what broke something, in artifacts/, is tried
# first. The targets link with libtorch: `make fuzz` brings it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-600}
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then targets=(experiment constraint report checkpoint data); fi

fuzz=$(scripts/tool.sh cargo-fuzz)
host=$(rustc -vV | sed -n 's/^host: //p')
work=$NAS_CACHE/fuzz
# Its own flags for all crates, so its own folder.
export CARGO_TARGET_DIR=$work/target
# The versions that are released; cargo adds libFuzzer.
if [ ! fuzz/Cargo.lock -nt Cargo.lock ] || [ ! fuzz/Cargo.lock -nt fuzz/Cargo.toml ]; then cp Cargo.lock fuzz/Cargo.lock; fi
"$fuzz" fuzz build --sanitizer none

TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
status=0
summary=()
for target in "${targets[@]}"; do
  program=$CARGO_TARGET_DIR/$host/release/$target
  corpus=$work/corpus/$target seeds=$work/seeds/$target artifacts=$work/artifacts/$target log=$work/$target.log
  rm -rf "$seeds"
  mkdir -p "$corpus" "$seeds" "$artifacts"
  echo "fuzz: $target for $seconds s, in $log"
  ended=0
  NAS_FUZZ_SEEDS=$seeds "$program" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=32768 -print_final_stats=1 \
    -artifact_prefix="$artifacts/" "$corpus" "$seeds" "$artifacts" >"$log" 2>&1 || ended=$?
  number() { sed -n "s/$1/\\1/p" "$log" | tail -1; }
  line="$(number '^stat::number_of_executed_units: *\([0-9]*\)$') runs, $(number '^stat::average_exec_per_sec: *\([0-9]*\)$') a second,"
  line+=" coverage $(number '.* cov: \([0-9]*\) .*')"
  if [ $ended -eq 0 ]; then
    summary+=("fuzz: $target: $line, no crash")
  else
    status=1
    input=$(number '.*Test unit written to \(.*\)$')
    summary+=("fuzz: $target: $line, CRASHED (exit $ended): $(grep -a -m 1 -A 1 -E "panicked at|ERROR: libFuzzer" "$log" | tr '\n' ' ' || true)")
    summary+=("  once more: eval \"\$(make env)\"; RUST_BACKTRACE=1 $program $input")
  fi
done
printf '%s\n' "${summary[@]}"
exit $status
