#!/usr/bin/env bash
# Runs one stage of `make test` or `make verify` and says how it ended and how long it took.
#
#   scripts/stage.sh NAME COMMAND [ARGUMENT]...
#
# NAS_STAGES: a file to which the line at the end is appended as well, for the summary of several stages.
set -uo pipefail

name=$1
shift
echo "== $name"
"$@"
status=$?
if [ $status -eq 0 ]; then ended=ok; else ended="FAILED (exit $status)"; fi
line="== $name: $ended in $SECONDS s"
echo "$line"
if [ -n "${NAS_STAGES:-}" ]; then echo "$line" >>"$NAS_STAGES"; fi
exit $status
