#!/usr/bin/env bash
# What cargo-mutants calls in cargo's place: tests are built and run one program after the other, those first that notice most, and the
# first that fails is the last. Building all of them for each change takes three times as long.
#
#   CARGO=scripts/mutants-cargo.sh cargo-mutants mutants ...
set -euo pipefail
unset CARGO

case "$*" in
"test --no-run "*) exec cargo test --lib "${@:2}" ;;
"test "*)
  for program in --lib --test=replay --test=schedulers; do
    cargo test "$program" "${@:2}"
  done
  exec cargo test --tests "${@:2}"
  ;;
*) exec cargo "$@" ;;
esac
