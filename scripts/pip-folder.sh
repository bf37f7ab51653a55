#!/usr/bin/env bash
# Puts packages for the machine's Python into a folder of the cache, unless it is there, and prints it, for PYTHONPATH. Ends with 3 where they are not to
# be had here.
#
#   NAS_CACHE=... scripts/pip-folder.sh FOLDER PACKAGE...     PYTHON in the folder's name: the version of Python, such as cp311
set -euo pipefail

name=${1%%-*}
python=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])') ||
  { echo "$name: not run: there is no Python 3" >&2; exit 3; }
folder=$NAS_CACHE/${1/PYTHON/$python}
shift
if [ ! -e "$folder" ]; then
  echo "$name: putting $* into $folder (once, some minutes)" >&2
  mkdir -p "$NAS_CACHE"
  part=$(mktemp -d "$NAS_CACHE/$name-part.XXXXXX")
  # Renamed when it is whole: an interrupted run leaves nothing that looks like it.
  trap 'rm -rf "$part"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-cache-dir --only-binary=:all: --target "$part" "$@" >&2 ||
    { echo "$name: not run: pip cannot install $* (its words are above)" >&2; exit 3; }
  chmod 755 "$part"
  mv "$part" "$folder"
  trap - EXIT
fi
echo "$folder"
