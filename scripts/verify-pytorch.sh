#!/usr/bin/env bash
# Does the PyTorch example keep to the contract? Puts PyTorch into the cache (once), then has `nasctl conform` judge examples/pytorch/trainer.py.
# Ends with 3 where PyTorch is not to be had here.
#
# PyPI has PyTorch for x86-64 Linux only with CUDA, which the example does not use: about 2.5 GB to fetch and 5 GB on the disk. Where pip is set
# to PyTorch's own index of CPU builds (PIP_INDEX_URL), a tenth of that is taken instead.
#
#   NAS_CACHE=... scripts/verify-pytorch.sh [NASCTL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=2.13.0
nasctl=${1:-bin/nasctl}
python=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])') ||
  { echo "verify-pytorch: not run: there is no Python 3"; exit 3; }
packages=$NAS_CACHE/pytorch-$version-$python

if [ ! -e "$packages" ]; then
  echo "verify-pytorch: putting PyTorch $version into $packages (once, some minutes)" >&2
  mkdir -p "$NAS_CACHE"
  part=$(mktemp -d "$NAS_CACHE/pytorch-part.XXXXXX")
  # Renamed when it is whole: an interrupted run leaves nothing that looks like it.
  trap 'rm -rf "$part"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-cache-dir --only-binary=:all: \
    --target "$part" "torch==$version" ||
    { echo "verify-pytorch: not run: pip cannot install torch==$version (its words are above)"; exit 3; }
  chmod 755 "$part"
  mv "$part" "$packages"
  trap - EXIT
fi

PYTHONPATH=$packages "$nasctl" conform --unit batches --rungs 20,40,400 \
  --param learning_rate=0.05 --param channels=8 -- python3 examples/pytorch/trainer.py
