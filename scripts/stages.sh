#!/usr/bin/env bash
# Runs several targets of the Makefile one after the other, all of them even if one fails, and ends with a summary of their times.
#
#   scripts/stages.sh TARGET...
set -uo pipefail

NAS_STAGES=$(mktemp)
export NAS_STAGES
trap 'rm -f "$NAS_STAGES"' EXIT
trap 'exit 130' INT TERM
failed=0
for target in "$@"; do
  make --no-print-directory "$target" || failed=1
done
echo
cat "$NAS_STAGES"
echo "== all: $([ $failed -eq 0 ] && echo ok || echo FAILED) in $SECONDS s"
exit $failed
