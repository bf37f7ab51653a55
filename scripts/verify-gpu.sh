#!/usr/bin/env bash
# Does training on this machine's GPU do what it should? Ends with 3 where there is no GPU. NAS_LIBTORCH_CUDA names libtorch's CUDA part (docs/gpu.md).
# PROGRAMS is a folder with nasctl, nas-trainer, and the trainer's test programs golden_model and equal, for a machine without cargo; PART is one
# of vectors, steps, deep and search: they can run side by side.
#
#   NAS_LIBTORCH_CUDA=.../libtorch_cuda.so scripts/verify-gpu.sh [PROGRAMS [PART...]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

programs=$(realpath "${1:-bin}")
parts=("${@:2}")
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || { echo "verify-gpu: not run: there is no GPU" >&2; exit 3; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

tests() {
  if [ -e "$programs/$1" ]; then
    (cd trainer && NAS_TEST_GPU=1 "$programs/$1" "${@:2}")
  else
    NAS_TEST_GPU=1 cargo test --quiet --release --package nas-trainer --test "$1" -- "${@:2}"
  fi
}

vectors() {
  echo "verify-gpu: operations, networks and steps are PyTorch's, in f64 and f32"
  tests golden_model
  tests equal gradients
}

steps() {
  echo "verify-gpu: 300 steps on real images are those of PyTorch's record, as they come and recorded"
  local graphs
  for graphs in off on; do
    # In f32 two machines part within a few steps: rounding decides where a ReLU or a greatest pixel flips.
    NAS_TRAINER_CUDA_GRAPHS=$graphs tests equal three_hundred
  done
}

# One network of the benchmark's depth.
deep() {
  cat >"$folder/deep.yaml" <<YAML
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: deep}
spec:
  space:
    darts: {}
    parameters:
      - {name: init_channels, constant: 16}
      - {name: layers, constant: 14}
      - {name: auxiliary, constant: true}
      - {name: global_batch_size, constant: 64}
      - {name: learning_rate, constant: 0.05}
      - {name: drop_path_prob, constant: 0.1}
  sampler: {random: {}}
  scheduler: {fullLength: {}}
  resource: {unit: batches, max: 200}
  maxTrials: 1
  seed: 3
  trial:
    data: {name: fashion-mnist}
YAML
  local setting run log
  for setting in bf16,off bf16,on f32,off; do
    echo "verify-gpu: a deep network, in ${setting%,*}, with recorded steps ${setting#*,}"
    run=$folder/deep-$setting
    NAS_TRAINER_PRECISION=${setting%,*} NAS_TRAINER_CUDA_GRAPHS=${setting#*,} "$programs/nasctl" run "$folder/deep.yaml" --dir "$run" >"$run.txt"
    log=$(find "$run" -name '*.log' -print -quit)
    grep -q 'on GPU 0' "$log" || { echo "verify-gpu: it was not trained on the GPU:" >&2; cat "$log" >&2; exit 1; }
    cat "$log"
  done
}

# Trials that go on from their checkpoints.
search() {
  echo "verify-gpu: a search"
  sed 's/^  maxTrials: .*/  maxTrials: 9/' configs/quickstart.yaml >"$folder/search.yaml"
  NAS_TRAINER_CUDA_GRAPHS=on "$programs/nasctl" run "$folder/search.yaml" --dir "$folder/search"
}

if [ ${#parts[@]} = 0 ]; then parts=(vectors steps deep search); fi
for part in "${parts[@]}"; do "$part"; done
