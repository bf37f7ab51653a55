#!/usr/bin/env bash
# Fails if a committed file that is made by a program differs from what the program makes now. Leaves the files as they were.
#
#   scripts/check-generated.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

generated=(crds charts/nas-operator/files)

before=$(mktemp -d)
# shellcheck disable=SC2317 # reached by the trap
restore() {
  for folder in "${generated[@]}"; do
    rm -rf "$folder"
    if [ -d "$before/$folder" ]; then cp -a "$before/$folder" "$folder"; fi
  done
  rm -rf "$before"
}
for folder in "${generated[@]}"; do
  if [ -d "$folder" ]; then mkdir -p "$before/$(dirname "$folder")" && cp -a "$folder" "$before/$folder"; fi
done
trap restore EXIT
trap 'exit 130' INT TERM

make --no-print-directory generate
drifted=0
for folder in "${generated[@]}"; do
  diff --recursive --unified --new-file "$before/$folder" "$folder" || drifted=1
done
if [ $drifted -ne 0 ]; then echo "generated files have drifted: run 'make generate' and commit ${generated[*]}" >&2; fi

(cd data/fashion-mnist && sha256sum --check --quiet SHA256SUMS) ||
  { echo "data/fashion-mnist is not what scripts/cut-fashion-mnist.py cut: restore it from git" >&2; drifted=1; }
exit $drifted
