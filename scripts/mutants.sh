#!/usr/bin/env bash
# Changes the code that decides in one place after the other, and looks whether a test of nas-search fails: with cargo-mutants, which is
# built into the cache first. Fails where a change goes unnoticed that .cargo/mutants.toml does not name.
#
#   NAS_CACHE=... scripts/mutants.sh [SHARD [FILE]...]     e.g. scripts/mutants.sh 0/4 ranking.rs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mutants=$(scripts/tool.sh cargo-mutants)

shard=${1:-0/1}
files=("${@:2}")
if [ ${#files[@]} -eq 0 ]; then
  files=(bracket decide digest earlier history horizon index index/rungs metric pareto plan ranking reason replay rungs
    scheduler/mod scheduler/brackets scheduler/order scheduler/pasha scheduler/rules)
  files=("${files[@]/%/.rs}")
fi

# A copy of the tree with its own target folder for each job: two that share one would build over each other.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR
# A loop that a mutant makes endless may ask for all memory there is: each program gets 8 GiB, where the system can hold it to that.
ulimit -v $((8 << 20)) 2>/dev/null || true
# The same draws each time, few of them, and no look for the smallest that fails.
export PROPTEST_RNG_SEED=1 PROPTEST_CASES=32 PROPTEST_MAX_SHRINK_ITERS=0 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1
export CARGO=$PWD/scripts/mutants-cargo.sh
results=$NAS_CACHE/mutants/${shard/\//-of-}
mkdir -p "$results"
status=0
"$mutants" mutants --package nas-search "${files[@]/#/--file=search/src/}" --shard "$shard" --jobs "${JOBS:-1}" \
  --output "$results" --colors never || status=$?
echo "mutants: what was done to the code and what the tests said is in $results/mutants.out"
# 3: some made the tests run on and on, which was noticed; others may have passed all the same.
if [ "$status" -eq 3 ]; then status=0; [ ! -s "$results/mutants.out/missed.txt" ] || status=2; fi
exit "$status"
