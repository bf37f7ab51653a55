#!/usr/bin/env bash
# Looks for known vulnerabilities of the dependencies in the RustSec database, with cargo-deny. The database changes without a commit and comes over the
# network, so this is no part of CI.
#
#   NAS_CACHE=... scripts/advisories.sh     exit 3: the database cannot be reached
#
# NAS_ADVISORIES: a clone of https://github.com/RustSec/advisory-db to be used as it is, on a machine that cannot reach it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deny=$(scripts/tool.sh cargo-deny)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# cargo-deny's own name for the clone of this database.
clone=$work/advisory-db-3157b0e258782691
source=https://github.com/RustSec/advisory-db staleness=P90D
if [ -n "${NAS_ADVISORIES:-}" ]; then source=file://$(realpath "$NAS_ADVISORIES") staleness=P3650D; fi
git clone --quiet --depth 1 "$source" "$clone" 2>"$work/problem" ||
  { echo "advisories: NOT RUN, because the database cannot be cloned (NAS_ADVISORIES names a clone): $(tail -1 "$work/problem")" >&2; exit 3; }
{
  cat deny.toml
  printf '\n[advisories]\ndb-path = "%s"\nmaximum-db-staleness = "%s"\n' "$work" "$staleness"
} >"$work/deny.toml"
echo "advisories: the database as of $(git -C "$clone" log -1 --format=%cs)"
cargo fetch --locked --quiet
"$deny" --offline --workspace --all-features --config "$work/deny.toml" check advisories
