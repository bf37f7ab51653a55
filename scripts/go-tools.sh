#!/usr/bin/env bash
# Builds the tools that a Go module of testkit/ pins into the cache, unless they are there, and prints their folder.
#
#   scripts/go-tools.sh helm3                   Helm 3 (about a minute on two cores, once)
#   scripts/go-tools.sh observability           prometheus and promtool (about two minutes, once)
#   scripts/go-tools.sh kueue                   Kueue (about three minutes, once)
#   scripts/go-tools.sh NAME --path             only prints the folder
#
# As scripts/programs.sh does for the programs of a cluster: the folder is named by the digest of the pins and of this recipe, and made under a
# temporary name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=${1:-}
[ -f "testkit/$name/go.mod" ] || { echo "usage: scripts/go-tools.sh helm3|observability|kueue [--path]" >&2; exit 64; }
cache=${NAS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-operator}
dest=$cache/$name-$({ cat "testkit/$name"/go.{mod,sum}; sed -n '/^recipe() {$/,/^}$/p' scripts/go-tools.sh; } | sha256sum | cut -c1-12)

say() { echo "$name: $*" >&2; }

recipe() {
  local flags=(-s -w) minor
  # Helm 3 takes what it knows of Kubernetes from here.
  minor=$(go -C "testkit/$name" list -m -f '{{.Version}}' k8s.io/client-go | cut -d. -f2)
  flags+=(-X "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1" -X "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$minor")
  flags+=(-X "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1" -X "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$minor")
  flags+=(-X "helm.sh/helm/v3/internal/version.version=$(go -C "testkit/$name" list -m -f '{{.Version}}' helm.sh/helm/v3 2>/dev/null || true)")
  # Prometheus is asked for static targets alone: without the clouds' ways to find some it has a third of the code.
  # shellcheck disable=SC2046 # one word for each package
  CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -C "testkit/$name" -trimpath -ldflags "${flags[*]}" -tags remove_all_sd -o "$1/" $(go -C "testkit/$name" list tool)
}

if [ "${2:-}" != --path ] && [ ! -d "$dest" ]; then
  command -v go >/dev/null || { say "go is missing: install Go 1.26 or newer from https://go.dev/dl"; exit 1; }
  mkdir -p "$cache"
  exec 9>"$cache/$name.lock"
  flock -n 9 || { say "another set-up is at work, waiting for it"; flock 9; }
  if [ ! -d "$dest" ]; then
    say "building $(go -C "testkit/$name" list tool | tr '\n' ' ')"
    recipe "$dest.tmp"
    mv "$dest.tmp" "$dest"
    say "ready in $dest"
  fi
fi
echo "$dest"
