#!/usr/bin/env bash
# The Python package: it is built and installed as a user would, mypy finds nothing, and its tests pass, with the built nasctl and a real API server. Ends
# with 3 where what it needs is not to be had here.
#
#   NAS_CACHE=... CARGO_TARGET_DIR=... NAS_PROGRAMS=... scripts/check-python.sh [NASCTL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# hatchling builds the package; without build isolation pip fetches nothing more.
tools="hatchling==1.27.0 mypy==1.18.2 optuna==5.0.0 pandas==2.3.3"
# shellcheck disable=SC2086 # they are several
packages=$(scripts/pip-folder.sh "python-PYTHON-$(printf %s "$tools" | sha256sum | cut -c 1-12)" $tools)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PYTHONPATH=$packages python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-build-isolation \
  --target "$folder/installed" ./python
test -e "$folder/installed/nas_operator/py.typed"
export PYTHONPATH=$folder/installed:$packages MYPY_CACHE_DIR=$folder/mypy PYTHONDONTWRITEBYTECODE=1
(cd python && python3 -m mypy)
NASCTL=$(realpath "${1:-bin/nasctl}") CONTROL_PLANE=$CARGO_TARGET_DIR/release/control-plane KUBECTL=$NAS_PROGRAMS/kubectl
export NASCTL CONTROL_PLANE KUBECTL
python3 -m unittest discover --start-directory python/tests --top-level-directory python
