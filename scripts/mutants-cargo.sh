#!/usr/bin/env bash
# What cargo-mutants calls in cargo's place: tests are built and run one program after the other, those first that notice most, and the
# first that fails is the last. Building all of them for each change takes three times as long.
#
#   CARGO=scripts/mutants-cargo.sh cargo-mutants mutants ...
set -euo pipefail
unset CARGO

case "$*" in
"test --no-run "*) exec cargo "$@" --lib ;;
"test "*)
  for program in --lib --test=replay --test=schedulers; do
    cargo "$@" "$program"
  done
  exec cargo "$@" --tests
  ;;
*) exec cargo "$@" ;;
esac
