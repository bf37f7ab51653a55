#!/usr/bin/env bash
# Proves that the crates depend on each other in one direction only, and that each sees only what it should.
#
#   scripts/check-arrows.sh
#
# A rule is one line, `arrow CRATE to OURS... without FOREIGN...`: CRATE may reach only OURS of the workspace's crates, and must not
# reach any of FOREIGN, at whatever distance. What counts is what is built into it (normal and build dependencies, default features).
# A crate of the workspace without a rule is an error, so a new crate brings its line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

broken=0
broken() { echo "arrow broken: $*" >&2; broken=1; }

# The names of all packages in the trees of the packages that are chosen by the arguments, one a line.
reached() { cargo tree --prefix none --format '{p}' "$@" | cut -d' ' -f1 | sort -u; }
# One way from crate $1 down to package $2, bottom first, in one line.
chain() {
  cargo tree --edges normal,build --prefix depth --format ' {p}' --package "$1" --invert "$2" |
    awk '$1 != NR - 1 { exit } { printf "%s%s", (NR > 1 ? " <- " : ""), $2 }'
}

members=$(cargo tree --workspace --depth 0 --prefix none --format '{p}' | cut -d' ' -f1 | grep . | sort -u)
ruled=

arrow() {
  local crate=$1 allowed=" $1 " word tree
  ruled+=" $crate "
  shift 2
  while [ $# -gt 0 ] && [ "$1" != without ]; do allowed+="$1 " && shift; done
  if [ $# -gt 0 ]; then shift; fi
  grep -qx "$crate" <<<"$members" || { broken "there is a rule for $crate, which is no crate of the workspace"; return; }
  tree=$(reached --edges normal,build --package "$crate")
  for word in $members; do
    if [[ "$allowed" != *" $word "* ]] && grep -qx "$word" <<<"$tree"; then
      broken "$crate must not depend on $word: $(chain "$crate" "$word")"
    fi
  done
  for word in "$@"; do
    if grep -qx "$word" <<<"$tree"; then broken "$crate must not see $word: $(chain "$crate" "$word")"; fi
  done
}

arrow nas-search to without kube kube-core k8s-openapi tokio futures tch torch-sys
arrow nas-darts to without kube kube-core k8s-openapi tokio futures tch torch-sys
arrow nas-simulation to nas-search nas-darts without kube kube-core k8s-openapi tokio futures tch torch-sys
arrow nas-api to nas-search nas-darts without kube-client kube-runtime tokio tch torch-sys
arrow nas-operator to nas-api nas-search nas-darts without tch torch-sys
arrow nas-testkit to without tch torch-sys
arrow nas-torch to without kube kube-core k8s-openapi tokio futures
arrow nas-trainer to nas-api nas-search nas-darts nas-torch without kube-client kube-runtime tokio
arrow nasctl to nas-api nas-simulation nas-search nas-darts without tch torch-sys

for crate in $members; do
  [[ "$ruled" == *" $crate "* ]] || broken "$crate has no rule: add an 'arrow' line for it to scripts/check-arrows.sh"
done

# What `cargo build` and `cargo test` take without --workspace must do without libtorch, in tests too.
if reached --edges normal,build,dev | grep -qx torch-sys; then
  broken "the default members must build and test without libtorch, but reach torch-sys: see default-members in Cargo.toml"
fi

if [ $broken -eq 0 ]; then echo "arrows: $(wc -w <<<"$members") crates, all as they should be"; fi
exit $broken
