#!/usr/bin/env bash
# Makes ready axe-core 4.12.1 (MPL-2.0), with which the tests look whether the page of `nasctl ui` can be used by all, and prints its folder.
#
#   scripts/axe.sh          fetch what is missing (0.2 MB, once), print the folder
#   scripts/axe.sh --path   only print the folder
#
# The folder is named by the digest of this recipe, and made under a temporary name. The source is a wheel that holds it as one file: pip is needed
# for libtorch anyway, npm for nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${NAS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-operator}
dest=$cache/axe-$(sed -n '/^recipe() {$/,/^}$/p' scripts/axe.sh | sha256sum | cut -c1-12)

say() { echo "axe: $*" >&2; }

recipe() {
  local wheel=axe_playwright_python-0.1.8-py3-none-any.whl
  mkdir -p "$1"
  python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: --dest "$1" axe-playwright-python==0.1.8 >&2 9>&- ||
    { say "cannot fetch axe-playwright-python from PyPI: check the network (or pip's index and proxy settings) and run the same command again"; return 1; }
  echo "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8  $1/$wheel" | sha256sum --check --status ||
    { say "$wheel is not the file that was expected (SHA-256 differs): run the same command again, or report it"; return 1; }
  python3 -c 'import sys, zipfile; open(sys.argv[2], "wb").write(zipfile.ZipFile(sys.argv[1]).read("axe_playwright_python/axe.min.js"))' "$1/$wheel" "$1/axe.min.js"
  rm "$1/$wheel"
}

if [ "${1:-}" != --path ] && [ ! -d "$dest" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/axe.lock"
  flock -n 9 || { say "another set-up is at work, waiting for it"; flock 9; }
  if [ ! -d "$dest" ]; then
    rm -rf "$dest.tmp"
    recipe "$dest.tmp"
    mv "$dest.tmp" "$dest"
  fi
fi
echo "$dest"
