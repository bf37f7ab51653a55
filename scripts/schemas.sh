#!/usr/bin/env bash
# Makes ready what the chart's manifests are held against, and prints where it lies: the OpenAPI schemas of Kubernetes 1.34 to 1.37, and the
# definitions of the Prometheus operator's monitors and rules. They are taken out of Go modules, so nothing but Go's proxy is asked.
#
#   scripts/schemas.sh          fetch what is missing (some 80 MB, once), print the folder
#   scripts/schemas.sh --path   only print the folder
#
# The folder is named by the digest of the recipe (scripts/cache.sh).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

prepare() {
  need_go
  say "fetching the schemas of Kubernetes 1.34 to 1.37"
}

# The folder of module $1, whose content must have the digest $2.
module() {
  local told
  told=$(cd / && GOFLAGS=-buildvcs=false go mod download -json "$1") || { say "cannot fetch $1: $told"; return 1; }
  word() { sed -n 's/^\t"'"$1"'": "\(.*\)",\?$/\1/p' <<<"$told"; }
  [ "$(word Sum)" = "$2" ] || { say "$1 is not what was pinned: $(word Sum)"; return 1; }
  word Dir
}

recipe() {
  local version sum from
  while read -r version sum; do
    from=$(module "k8s.io/kubernetes@$version" "$sum")
    mkdir -p "$1/${version%.*}"
    cp "$from"/api/openapi-spec/v3/{api__v1,apis__apps__v1,apis__admissionregistration.k8s.io__v1,apis__apiextensions.k8s.io__v1}_openapi.json "$1/${version%.*}"
    cp "$from"/api/openapi-spec/v3/apis__{flowcontrol.apiserver.k8s.io,networking.k8s.io,policy,rbac.authorization.k8s.io}__v1_openapi.json "$1/${version%.*}"
  done <<'VERSIONS'
v1.34.4 h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk=
v1.35.4 h1:o/8dBC/pHVpYoGV4OAIytAlNPZbdYVTXJHoYvXC4qzM=
v1.36.3 h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=
v1.37.2 h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=
VERSIONS
  from=$(module github.com/prometheus-operator/prometheus-operator@v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=)
  mkdir -p "$1/monitoring"
  cp "$from"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,servicemonitors,prometheusrules}.yaml "$1/monitoring"
  chmod -R u+w "$1"
}

made "${1:-}" schemas
