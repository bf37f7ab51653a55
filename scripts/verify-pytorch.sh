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

# Without a driver the library is loaded all the same, and training goes on with the CPU; a library of another version would be refused.
library=$packages/torch/lib/libtorch_cuda.so
if [ -e "$library" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  sed -e 's/^  maxTrials: .*/  maxTrials: 1/' -e 's/^  scheduler: .*/  scheduler: {fullLength: {}}/' -e 's/^  resource: .*/  resource: {unit: batches, max: 20}/' \
    configs/quickstart.yaml >"$folder/one.yaml"
  NAS_LIBTORCH_CUDA=$library "$nasctl" run "$folder/one.yaml" --dir "$folder/run"
else
  echo "verify-pytorch: this PyTorch has no CUDA part: that it can be loaded is not looked at"
fi
