#!/usr/bin/env bash
# Puts PyTorch for the machine's Python into the cache, unless it is there, and prints the folder for PYTHONPATH. Ends with 3 where it is not to be
# had here.
#
# PyPI has PyTorch for x86-64 Linux only with CUDA: about 2.5 GB to fetch and 5 GB on the disk. Where pip is set to PyTorch's own index of CPU
# builds (PIP_INDEX_URL), a tenth of that is taken instead.
#
#   NAS_CACHE=... scripts/pytorch.sh
set -euo pipefail

version=2.13.0
python=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])') ||
  { echo "pytorch: not run: there is no Python 3" >&2; exit 3; }
packages=$NAS_CACHE/pytorch-$version-$python
if [ ! -e "$packages" ]; then
  echo "pytorch: putting PyTorch $version into $packages (once, some minutes)" >&2
  mkdir -p "$NAS_CACHE"
  part=$(mktemp -d "$NAS_CACHE/pytorch-part.XXXXXX")
  # Renamed when it is whole: an interrupted run leaves nothing that looks like it.
  trap 'rm -rf "$part"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-cache-dir --only-binary=:all: \
    --target "$part" "torch==$version" >&2 ||
    { echo "pytorch: not run: pip cannot install torch==$version (its words are above)" >&2; exit 3; }
  chmod 755 "$part"
  mv "$part" "$packages"
  trap - EXIT
fi
echo "$packages"
