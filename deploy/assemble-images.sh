#!/usr/bin/env bash
# Assembles the images from what `make build` made, without a registry, an engine or root: each has its program, the libraries that it is
# linked with and nothing else, and runs as 65532. For tests, releases, and machines that cannot pull; `docker build` with the Dockerfiles
# beside this is the usual way. The same programs and libraries give the same digest.
#
#   assemble-images.sh FOLDER [TAG [IMAGE...]]     writes FOLDER/IMAGE.tar; IMAGE: nas-operator, nas-trainer (the default: these two),
#                                                  nas-trainer-cuda (with what scripts/pytorch.sh fetches: 3 GB)
#
# SOURCE_DATE_EPOCH: the time of the images and their files (0). NAS_COMMIT: a label. COMPRESS=--compress: gzip'd layers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$1 tag=${2:-test}
images=("${@:3}")
[ ${#images[@]} -gt 0 ] || images=(nas-operator nas-trainer)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$(readlink -f bin/lib)" "$work/lib"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
mkdir -p "$folder"

# assemble IMAGE PROGRAM TITLE [OPTION]...
assemble() {
  local image=$1 program=$2 title=$3 label options=()
  for label in "title=$title" "version=$version" "revision=${NAS_COMMIT:-unknown}" licenses=Apache-2.0 vendor=nas-operator \
    source=https://github.com/nas-operator/nas-operator documentation=https://github.com/nas-operator/nas-operator/tree/main/docs; do
    options+=(--label "org.opencontainers.image.$label")
  done
  # The roots of TLS, for data sets that are fetched and collectors of traces.
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then options+=(--file /etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt); fi
  strip -o "$work/$program" "bin/$program"
  deploy/image.py --tag "ghcr.io/nas-operator/$image:$tag" --output "$folder/$image.tar" --user 65532:65532 --folder /tmp:1777 --file deploy/etc:/etc \
    --file LICENSE:/usr/share/licenses/nas-operator/LICENSE --program "$work/$program:/usr/local/bin/$program" --entrypoint "/usr/local/bin/$program" \
    ${COMPRESS:+"$COMPRESS"} "${options[@]}" "${@:4}"
}

# libtorch's CUDA part as pip lays it out: it finds NVIDIA's libraries by their place beside it. What it shares with the CPU's is there already.
cuda() {
  local packages name
  packages=$(scripts/pytorch.sh)
  for name in libtorch_cuda libtorch_cuda_linalg libtorch_nvshmem libc10_cuda libcaffe2_nvrtc; do
    printf '%s\n' --tree "$packages/torch/lib/$name.so:/opt/pytorch/torch/lib/$name.so"
  done
  find "$packages/nvidia" -name '*.so*' -type f ! -name 'libnvrtc.alt*' ! -name 'libnvperf*' ! -name 'libcusolverMg*' ! -name 'libcudart*' ! -name 'libcupti*' | LC_ALL=C sort |
    while read -r name; do printf '%s\n' --tree "$name:/opt/pytorch/${name#"$packages"/}"; done
  # What NVIDIA's container runtime gives a container, where nobody says more.
  printf '%s\n' --env NAS_LIBTORCH_CUDA=/opt/pytorch/torch/lib/libtorch_cuda.so --env NVIDIA_VISIBLE_DEVICES=all --env NVIDIA_DRIVER_CAPABILITIES=compute,utility
}

for image in "${images[@]}"; do
  case $image in
  nas-operator) assemble nas-operator nas-operator "The operator of nas-operator" ;;
  nas-trainer) assemble nas-trainer nas-trainer "The trainer of nas-operator, for CPUs" ;;
  nas-trainer-cuda)
    cuda >"$work/cuda"
    mapfile -t options <"$work/cuda"
    assemble nas-trainer-cuda nas-trainer "The trainer of nas-operator, for NVIDIA GPUs and CPUs" "${options[@]}"
    ;;
  *) echo "assemble-images: there is no image $image: nas-operator, nas-trainer or nas-trainer-cuda" >&2; exit 64 ;;
  esac
done
