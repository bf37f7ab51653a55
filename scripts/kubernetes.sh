#!/usr/bin/env bash
# Makes ready the API server and the controller manager of another version of Kubernetes for the tests (testkit/kubernetes-VERSION/go.mod pins it),
# and prints the folder with these two.
#
#   scripts/kubernetes.sh 1.34          build (about 6 minutes on two cores, once)
#   scripts/kubernetes.sh 1.34 --path   only print the folder
#
# As scripts/programs.sh does for the version that all tests run on: the folder is named by the digest of the pins and of the recipe
# (scripts/cache.sh), and an interrupted build is taken up where it stopped.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

module=testkit/kubernetes-${1:-}
[ -f "$module/go.mod" ] || { echo "usage: scripts/kubernetes.sh VERSION [--path], where testkit/kubernetes-VERSION is a module" >&2; exit 64; }

prepare() { need_go; }

recipe() {
  local version flags=(-s -w) package
  version=$(go -C "$module" list -m -f '{{.Version}}' k8s.io/kubernetes)
  # Both refuse to work with a version that they do not know.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=(-X "$package.gitVersion=$version" -X "$package.gitMajor=1" -X "$package.gitMinor=$(cut -d. -f2 <<<"$version")")
    flags+=(-X "$package.gitTreeState=clean" -X "$package.gitCommit=unknown" -X "$package.buildDate=1970-01-01T00:00:00Z")
  done
  say "building the API server and the controller manager of Kubernetes $version"
  # shellcheck disable=SC2046 # one word for each package
  CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -C "$module" -trimpath -ldflags "${flags[*]}" -o "$1/" $(go -C "$module" list tool)
}

made "${2:-}" "kubernetes-$1" "$module"/go.{mod,sum}
