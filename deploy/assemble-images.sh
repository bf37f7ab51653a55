#!/usr/bin/env bash
# Assembles the images of operator and trainer from what `make build` made, without a registry, an engine or root. For tests, and for
# machines that cannot pull; `docker build` with the Dockerfiles beside this is the usual way.
#
#   assemble-images.sh FOLDER [TAG]      writes FOLDER/nas-operator.tar and FOLDER/nas-trainer.tar
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$1 tag=${2:-test}
stripped=$(mktemp -d)
trap 'rm -rf "$stripped"' EXIT
for program in nas-operator nas-trainer; do strip -o "$stripped/$program" "bin/$program"; done
ln -s "$(readlink -f bin/lib)" "$stripped/lib"
common=(--user 65532:65532 --folder /tmp:1777)
mkdir -p "$folder"
deploy/image.py --tag "ghcr.io/nas-operator/nas-operator:$tag" --output "$folder/nas-operator.tar" "${common[@]}" \
  --program "$stripped/nas-operator:/usr/local/bin/nas-operator" --entrypoint /usr/local/bin/nas-operator
deploy/image.py --tag "ghcr.io/nas-operator/nas-trainer:$tag" --output "$folder/nas-trainer.tar" "${common[@]}" \
  --program "$stripped/nas-trainer:/usr/local/bin/nas-trainer" --entrypoint /usr/local/bin/nas-trainer
