#!/usr/bin/env bash
# Makes ready axe-core 4.12.1 (MPL-2.0), with which the tests look whether the page of `nasctl ui` can be used by all, and prints its folder.
#
#   scripts/axe.sh          fetch what is missing (0.2 MB, once), print the folder
#   scripts/axe.sh --path   only print the folder
#
# The folder is named by the digest of the recipe (scripts/cache.sh). The source is a wheel that holds it as one file: pip is needed for libtorch anyway,
# npm for nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

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

made "${1:-}" axe
