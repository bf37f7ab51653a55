#!/usr/bin/env bash
# Does the PyTorch example keep to the contract? Has `nasctl conform` judge examples/pytorch/trainer.py, measures with PyTorch what `nasctl export` took
# from a search, and loads libtorch's CUDA part into the trainer. Ends with 3 where PyTorch is not to be had here.
#
#   NAS_CACHE=... scripts/verify-pytorch.sh [NASCTL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

nasctl=${1:-bin/nasctl}
packages=$(scripts/pytorch.sh)

PYTHONPATH=$packages "$nasctl" conform --unit batches --rungs 20,40,400 \
  --param learning_rate=0.05 --param channels=8 -- python3 examples/pytorch/trainer.py

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# What is exported is what was trained: the same accuracy and loss on the test images, in PyTorch.
sed -e 's/^  maxTrials: .*/  maxTrials: 2/' -e 's/^  scheduler: .*/  scheduler: {fullLength: {}}/' -e 's/^  resource: .*/  resource: {unit: batches, max: 30}/' \
  -e 's/data: {name: fashion-mnist}/data: {name: fashion-mnist, validation: TestSet}/' -e 's/{name: auxiliary, constant: false}/{name: auxiliary, constant: true}/' \
  configs/quickstart.yaml >"$folder/two.yaml"
"$nasctl" run "$folder/two.yaml" --dir "$folder/two"
for trial in 0 1; do
  "$nasctl" export "$folder/two" --trial $trial --output "$folder/export-$trial"
  PYTHONPATH=$packages python3 scripts/check-export.py "$folder/export-$trial" data/fashion-mnist "$(tail -qn 1 "$folder/two/trials/quickstart-$trial"/a*/curve.jsonl | tail -n 1)"
done
# The same by the Python package: its best is a network of PyTorch that has the value which the search knows.
NASCTL=$nasctl PYTHONPATH=$packages:python/src python3 scripts/check-export.py "$folder/two" data/fashion-mnist

# Without a driver the library is loaded all the same, and training goes on with the CPU; a library of another version would be refused.
library=$packages/torch/lib/libtorch_cuda.so
if [ -e "$library" ]; then
  sed -e 's/^  maxTrials: .*/  maxTrials: 1/' -e 's/^  scheduler: .*/  scheduler: {fullLength: {}}/' -e 's/^  resource: .*/  resource: {unit: batches, max: 20}/' \
    configs/quickstart.yaml >"$folder/one.yaml"
  NAS_LIBTORCH_CUDA=$library "$nasctl" run "$folder/one.yaml" --dir "$folder/run"
else
  echo "verify-pytorch: this PyTorch has no CUDA part: that it can be loaded is not looked at"
fi
