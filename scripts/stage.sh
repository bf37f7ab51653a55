#!/usr/bin/env bash
# Runs one stage of `make test` or `make verify` and says how it ended and how long it took.
#
#   scripts/stage.sh NAME COMMAND [ARGUMENT]...
#
# A command that ends with 3 could not run here and has said why: that fails the stage only in CI.
# NAS_STAGES: a file to which the line at the end is appended as well, for the summary of several stages.
set -uo pipefail

name=$1
shift
echo "== $name"
"$@"
status=$?
case $status in
0) ended=ok ;;
3) if [ -z "${CI:-}" ]; then ended="NOT RUN (see above)" status=0; else ended="FAILED: not run"; fi ;;
*) ended="FAILED (exit $status)" ;;
esac
line="== $name: $ended in $SECONDS s"
echo "$line"
if [ -n "${NAS_STAGES:-}" ]; then echo "$line" >>"$NAS_STAGES"; fi
exit $status
