#!/usr/bin/env bash
# Fails if a committed file that is made by a program differs from what the program makes now. Leaves the files as they were.
#
#   scripts/check-generated.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

generated=(crds charts/nas-operator/files charts/nas-operator/README.md charts/nas-operator/ci/rendered docs/reference.md docs/report.schema.json)

before=$(mktemp -d)
# shellcheck disable=SC2317 # reached by the trap
restore() {
  for path in "${generated[@]}"; do
    rm -rf "$path"
    if [ -e "$before/$path" ]; then cp -a "$before/$path" "$path"; fi
  done
  rm -rf "$before"
}
for path in "${generated[@]}"; do
  if [ -e "$path" ]; then mkdir -p "$before/$(dirname "$path")" && cp -a "$path" "$before/$path"; fi
done
trap restore EXIT
trap 'exit 130' INT TERM

make --no-print-directory generate
drifted=0
for path in "${generated[@]}"; do
  diff --recursive --unified --new-file "$before/$path" "$path" || drifted=1
done
if [ $drifted -ne 0 ]; then echo "generated files have drifted: run 'make generate' and commit ${generated[*]}" >&2; fi

(cd data/fashion-mnist && sha256sum --check --quiet SHA256SUMS) ||
  { echo "data/fashion-mnist is not what scripts/cut-fashion-mnist.py cut: restore it from git" >&2; drifted=1; }
exit $drifted
