#!/usr/bin/env bash
# Makes ready the CPU build of libtorch 2.13.0 that the trainer links with, and prints where it lies.
#
#   scripts/libtorch.sh          fetch what is missing (about 540 MB, once), unpack, print the folder
#   scripts/libtorch.sh --path   only print the folder
#
# The folder is named by the digest of the recipe (scripts/cache.sh). What was fetched in an interrupted run is there for the next.
#
# The source is the PyPI wheel of PyTorch. Its CPU library also wants two small CUDA libraries (for profiling), which come from
# NVIDIA's wheels; nothing else of CUDA is needed. `libtorch.so` of the wheel wants all of CUDA, so an empty one takes its place.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

# fetch PACKAGE==VERSION SIZE PLATFORM FILE SHA256
fetch() {
  local file=$cache/wheels/$4
  if [ -e "$file" ] && echo "$5  $file" | sha256sum --check --status; then return; fi
  rm -f "$file"
  local part quiet=(--quiet --progress-bar off)
  if [ -t 2 ]; then quiet=(--progress-bar on); fi
  part=$(mktemp -d "$cache/wheels/part.XXXXXX")
  say "fetching $1 ($2)"
  # Without the lock (9): a download that outlives its set-up holds nobody up.
  python3 -m pip download "${quiet[@]}" --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: --python-version 3.11 \
    --implementation cp --abi cp311 --abi none --platform "$3" --dest "$part" "$1" >&2 9>&- ||
    { rm -rf "$part"; say "cannot fetch $1 from PyPI: check the network (or pip's index and proxy settings) and run the same command again"; exit 1; }
  echo "$5  $part/$4" | sha256sum --check --status ||
    { rm -rf "$part"; say "$4 is not the file that was expected (SHA-256 differs): run the same command again, or report it"; exit 1; }
  mv "$part/$4" "$file"
  rm -rf "$part"
}

prepare() {
  if [ "$(uname -sm)" != "Linux x86_64" ]; then
    say "is set up on x86-64 Linux only, this is $(uname -sm): set LIBTORCH to the folder of a libtorch 2.13.0 of your own"
    exit 1
  fi
  mkdir -p "$cache/wheels"
  rm -rf "$cache"/wheels/part.* # of a set-up that was interrupted
}

tidy() { rm -rf "$cache/wheels"; } # 540 MB that nothing needs any more

recipe() {
  fetch torch==2.13.0 "526 MB" manylinux_2_28_x86_64 \
    torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl \
    60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7
  fetch nvidia-cuda-runtime==13.0.96 "2 MB" manylinux_2_17_x86_64 \
    nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl \
    7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
  fetch nvidia-cuda-cupti==13.0.85 "11 MB" manylinux_2_25_x86_64 \
    nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl \
    4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8

  say "unpacking"
  rm -rf "$dest" "$dest.tmp"
  python3 - "$cache/wheels" "$dest.tmp" <<'PY'
import glob, os, shutil, sys, zipfile
wheels, dest = sys.argv[1:]
libraries = {'libtorch_cpu.so', 'libc10.so', 'libgomp.so.1', 'libcudart.so.13', 'libcupti.so.13'}
for wheel in glob.glob(f'{wheels}/torch-2.13.0-*.whl') + glob.glob(f'{wheels}/nvidia_cuda_*.whl'):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            base = os.path.basename(name)
            if base in libraries and '/lib/' in name:
                target = f'{dest}/lib/{base}'
            elif name.startswith('torch/include/') and base:
                target = f'{dest}/{name.removeprefix("torch/")}'
            else:
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(name) as source, open(target, 'wb') as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
missing = libraries - set(os.listdir(f'{dest}/lib'))
assert not missing, f'the wheels lack {missing}'
PY
  strip --strip-unneeded "$dest.tmp/lib/libtorch_cpu.so"
  echo 'int nas_libtorch_stub;' | gcc -shared -fPIC -x c - -o "$dest.tmp/lib/libtorch.so" -Wl,-soname,libtorch.so
  echo 2.13.0 >"$dest.tmp/build-version"
}

made "${1:-}" libtorch-2.13.0
