#!/usr/bin/env bash
# Builds the tools that a Go module of testkit/ pins into the cache, unless they are there, and prints their folder.
#
#   scripts/go-tools.sh helm3                   Helm 3 (about a minute on two cores, once)
#   scripts/go-tools.sh observability           prometheus and promtool (about two minutes, once)
#   scripts/go-tools.sh kueue                   Kueue (about three minutes, once)
#   scripts/go-tools.sh NAME --path             only prints the folder
#
# The folder is named by the digest of the pins and of the recipe (scripts/cache.sh).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

name=${1:-}
[ -f "testkit/$name/go.mod" ] || { echo "usage: scripts/go-tools.sh helm3|observability|kueue [--path]" >&2; exit 64; }

prepare() {
  need_go
  say "building $(go -C "testkit/$name" list tool | tr '\n' ' ')"
}

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

made "${2:-}" "$name" "testkit/$name"/go.{mod,sum}
