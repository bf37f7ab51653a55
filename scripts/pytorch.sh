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
exec "$(dirname "${BASH_SOURCE[0]}")/pip-folder.sh" "pytorch-$version-PYTHON" "torch==$version"
