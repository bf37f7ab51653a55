#!/usr/bin/env bash
# The operator dies at every write of a search, once before and once after it, and is started again: each search must come to the same
# end by the same course. Writes docs/results/crashes.md. About 8 minutes on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
NAS_SWEEP=all NAS_PAGES=$work cargo test --release ${CI:+--locked} -p nas-operator --test cluster -- --test-threads 1 faults::an_operator faults::wherever

mkdir -p docs/results
cat >docs/results/crashes.md <<PAGE
# What the operator's death changes

Made by \`make verify-crashes\` at commit $commit on $(date -u +%F).

A search with two brackets, two slots, promotions, and a trial for each kind of end (infeasible, diverged, out of memory, a report that is lost once, failed for good) is
played against a real API server; the next result is released when the operator has nothing left to do. Then it is played again for each write to the API server, which is named by
verb, kind, object and count: the operator dies before the write is sent, or once it is carried out and before the answer comes, and is started again. Trials with all that was decided and
recorded about them, the table of rungs, the winner, and every Job that had a pod are the same as in the undisturbed search: all of the deaths below changed nothing.

$(cat "$work/crashes-search.md")

Leases and events, which help people and other replicas:

$(cat "$work/crashes-rest.md")
PAGE
cat docs/results/crashes.md
