#!/usr/bin/env bash
# Does the PyTorch example keep to the contract? Has `nasctl conform` judge examples/pytorch/trainer.py, and loads libtorch's CUDA part into the
# trainer. Ends with 3 where PyTorch is not to be had here.
#
#   NAS_CACHE=... scripts/verify-pytorch.sh [NASCTL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

nasctl=${1:-bin/nasctl}
packages=$(scripts/pytorch.sh)

PYTHONPATH=$packages "$nasctl" conform --unit batches --rungs 20,40,400 \
  --param learning_rate=0.05 --param channels=8 -- python3 examples/pytorch/trainer.py
